"""Generation in this process: token ids in, token ids out, by our decode loop or by transformers.

It knows nothing of questions, rewards or methods. `vllm` is the other place where text is generated.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.models import decoding
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.sampling import Request, SamplingParams, cut_after_eos
from hybrid_rl.types import Ids


def generate(
    language_model: LanguageModel,
    request: Request,
    params: SamplingParams,
    rows_per_call: int,
    speed: SpeedSettings | None = None,
) -> list[Ids]:
    """Draws one completion per prompt, in the same order, each of at least one token.

    `speed` None samples with transformers' `generate`; with sharded weights that are not gathered nothing else keeps
    ranks in step. More than `rows_per_call` prompts are cut into calls of that many rows, prompts of like length
    together.
    """
    prompts, finished = request.prompts, request.finished
    order = list(range(len(prompts)))
    if len(prompts) > rows_per_call:
        order.sort(key=lambda i: len(prompts[i]))
    completions: list[Ids] = [()] * len(prompts)
    limits = request.limits_under(params)
    for start in range(0, len(prompts), rows_per_call):
        rows = order[start : start + rows_per_call]
        told = _among(rows, finished, language_model.eos_ids)
        scored = _scores_among(rows, request.scored)
        part = Request([prompts[i] for i in rows], [limits[i] for i in rows], told, scored)
        drawn = _in_one_call(language_model, part, params, speed)
        for row, completion in zip(rows, drawn, strict=True):
            completions[row] = completion
            if finished is not None and start + rows_per_call < len(prompts):
                finished(row, completion)
    return completions


def _among(
    rows: Sequence[int], finished: Callable[[int, Ids], None] | None, eos_ids: Sequence[int]
) -> Callable[[int, Ids], None] | None:
    """`finished` for a call that draws these rows only."""
    if finished is None:
        return None
    return lambda index, ids: finished(rows[index], cut_after_eos(ids, eos_ids))


def _scores_among(
    rows: Sequence[int], scored: Callable[[int, Sequence[float]], None] | None
) -> Callable[[int, Sequence[float]], None] | None:
    """`scored` for a call that draws these rows only."""
    return None if scored is None else lambda index, values: scored(rows[index], values)


def _in_one_call(
    language_model: LanguageModel,
    request: Request,
    params: SamplingParams,
    speed: SpeedSettings | None,
) -> list[Ids]:
    model = language_model.model
    was_training = model.training
    # Checkpointed layers drop the KV cache in training mode, and dropout would sample from another policy.
    model.eval()
    try:
        if speed is not None and speed.own_decoding and decoding.supports(model):
            drawn = decoding.decode(language_model, request, params, speed)
        else:
            drawn = _by_transformers(language_model, request, params)
    finally:
        model.train(was_training)
    return [cut_after_eos(row, language_model.eos_ids) for row in drawn]


def _by_transformers(
    language_model: LanguageModel, request: Request, params: SamplingParams
) -> list[list[int]]:
    """The tokens that transformers' own `generate` draws; what follows a row's end is padding."""
    model, device = language_model.model, language_model.model.device
    ids, mask = language_model.padded(request.prompts)
    width = ids.shape[1]
    limits = request.limits_under(params)
    greedy = params.temperature == 0
    config = GenerationConfig(
        max_new_tokens=max(limits),
        pad_token_id=language_model.pad_id,
        eos_token_id=list(language_model.eos_ids),
        disable_compile=True,
        do_sample=not greedy,
        **({} if greedy else params.options),
    )
    own_config = model.generation_config
    # transformers fills what is left unset from the model's own configuration; a repetition penalty or a top-k of the
    # model's makers would make the rollouts those of another policy.
    model.generation_config = GenerationConfig()
    # transformers declares `generate` on a mixin whose type no Module has.
    run: Any = model.generate
    try:
        with torch.inference_mode():
            output = run(
                input_ids=ids,
                attention_mask=mask.long(),
                generation_config=config,
                stopping_criteria=StoppingCriteriaList([_Limits(width, limits, device)]),
            )
    finally:
        model.generation_config = own_config
    return [row[:most] for row, most in zip(output[:, width:].tolist(), limits, strict=True)]


class _Limits(StoppingCriteria):
    """A stopping criterion by which every row ends at a length of its own."""

    def __init__(self, width: int, limits: Sequence[int], device: torch.device) -> None:
        self.lengths = width + torch.tensor(limits, device=device)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        return self.lengths <= input_ids.shape[1]
