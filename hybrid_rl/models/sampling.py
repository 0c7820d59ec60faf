"""Generation with transformers: token ids in, token ids out. The only place where text is generated.

Knows nothing of questions, rewards or methods. A completion keeps its end-of-sequence token; one that was cut at the
length limit has none, and that is how a truncated completion is told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from transformers import GenerationConfig, PreTrainedModel, StoppingCriteria, StoppingCriteriaList

from hybrid_rl.config.train import SpeedSettings, TrainSettings
from hybrid_rl.models import decoding
from hybrid_rl.types import Ids


@dataclass(frozen=True)
class SamplingParams:
    """How to draw the next token; `temperature` 0 takes the likeliest."""

    temperature: float
    top_p: float
    top_k: int
    """0: no limit."""
    max_completion_tokens: int
    limits: tuple[int, ...] | None = field(default=None, kw_only=True)
    """That of each prompt, where they differ; none is above `max_completion_tokens`."""
    finished: "Callable[[int, Ids], None] | None" = field(default=None, compare=False, kw_only=True)
    """Told of completions that end before others, with the index of their prompt, while those are being drawn."""

    def limits_of(self, prompts: int) -> list[int]:
        """Most tokens for each of so many prompts."""
        return list(self.limits or [self.max_completion_tokens] * prompts)


def in_training(train: TrainSettings) -> SamplingParams:
    """How rollouts are drawn."""
    rl = train.rl
    return SamplingParams(rl.temperature, rl.top_p, rl.top_k, train.max_completion_tokens)


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Ids],
    sampling: SamplingParams,
    eos_ids: Sequence[int],
    pad_id: int,
    rows_per_call: int,
    speed: SpeedSettings | None = None,
) -> list[Ids]:
    """One completion per prompt, in the same order, each of at least one token.

    `speed` None samples with transformers' `generate`; with sharded weights that are not gathered nothing else keeps
    ranks in step. More than `rows_per_call` prompts are cut into calls of that many rows, prompts of like length
    together.
    """
    order = range(len(prompts))
    if len(prompts) > rows_per_call:
        order = sorted(order, key=lambda i: len(prompts[i]))
    completions: list[Ids] = [()] * len(prompts)
    limits = sampling.limits_of(len(prompts))
    for start in range(0, len(prompts), rows_per_call):
        rows = order[start : start + rows_per_call]
        batch = _generate_batch(
            model,
            [prompts[i] for i in rows],
            replace(
                sampling,
                limits=tuple(limits[i] for i in rows),
                finished=_among(rows, sampling.finished, eos_ids),
            ),
            eos_ids,
            pad_id,
            speed,
        )
        for row, completion in zip(rows, batch, strict=True):
            completions[row] = completion
            if sampling.finished is not None and start + rows_per_call < len(prompts):
                sampling.finished(row, completion)
    return completions


def _among(
    rows: Sequence[int], finished: Callable[[int, Ids], None] | None, eos_ids: Sequence[int]
) -> Callable[[int, Ids], None] | None:
    """`finished` for a call that draws these rows only."""
    if finished is None:
        return None
    return lambda index, ids: finished(rows[index], cut_after_eos(ids, eos_ids))


def cut_after_eos(ids: Sequence[int], eos_ids: Sequence[int]) -> Ids:
    """`ids` up to and including the first end-of-sequence token; all of them where there is none."""
    for position, token in enumerate(ids):
        if token in eos_ids:
            return tuple(ids[: position + 1])
    return tuple(ids)


def _generate_batch(
    model: PreTrainedModel,
    prompts: Sequence[Ids],
    sampling: SamplingParams,
    eos_ids: Sequence[int],
    pad_id: int,
    speed: SpeedSettings | None,
) -> list[Ids]:
    was_training = model.training
    # Checkpointed layers drop the KV cache in training mode, and dropout would sample from another policy.
    model.eval()
    try:
        if speed is not None and speed.own_decoding and decoding.supports(model):
            warpers = decoding.warpers(sampling.temperature, sampling.top_p, sampling.top_k)
            drawn = decoding.decode(
                model,
                prompts,
                warpers,
                sampling.limits_of(len(prompts)),
                eos_ids,
                pad_id,
                speed.shared_prefill,
                speed.drop_finished,
                sampling.finished,
            )
        else:
            drawn = _generate_by_transformers(model, prompts, sampling, eos_ids, pad_id)
    finally:
        model.train(was_training)
    return [cut_after_eos(row, eos_ids) for row in drawn]


def _generate_by_transformers(
    model: PreTrainedModel,
    prompts: Sequence[Ids],
    sampling: SamplingParams,
    eos_ids: Sequence[int],
    pad_id: int,
) -> list[list[int]]:
    width = max(len(prompt) for prompt in prompts)
    padded = [[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    limits = sampling.limits_of(len(prompts))
    own_config = model.generation_config
    # transformers fills what is left unset from the model's own configuration; a repetition penalty or a top-k of the
    # model's makers would make the rollouts those of another policy.
    model.generation_config = GenerationConfig()
    try:
        with torch.inference_mode():
            output = model.generate(
                input_ids=torch.tensor(padded, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                generation_config=_generation_config(sampling, max(limits), eos_ids, pad_id),
                stopping_criteria=StoppingCriteriaList([_Limits(width, limits, model.device)]),
            )
    finally:
        model.generation_config = own_config
    return [row[:most] for row, most in zip(output[:, width:].tolist(), limits, strict=True)]


class _Limits(StoppingCriteria):
    """A row ends at a length of its own."""

    def __init__(self, width: int, limits: Sequence[int], device: torch.device) -> None:
        self.lengths = width + torch.tensor(limits, device=device)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        return self.lengths <= input_ids.shape[1]


def _generation_config(
    sampling: SamplingParams, most: int, eos_ids: Sequence[int], pad_id: int
) -> GenerationConfig:
    common = {
        "max_new_tokens": most,
        "pad_token_id": pad_id,
        "eos_token_id": list(eos_ids),
        "disable_compile": True,
    }
    if sampling.temperature == 0:
        return GenerationConfig(do_sample=False, **common)
    return GenerationConfig(
        do_sample=True,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        **common,
    )


Sample = Callable[[Sequence[Ids], SamplingParams], list[Ids]]


def text_of(ids: Ids, decode: Callable[[Ids], str], eos_ids: Sequence[int]) -> str:
    """The text of a solution, without the token that ended it."""
    return decode(ids[:-1] if ids and ids[-1] in eos_ids else ids)
