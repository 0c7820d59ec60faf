"""A decode loop that does less work for the same tokens than transformers' `generate`.

It is not vLLM, which needs a GPU and has to be sent the weights, nor transformers' continuous batching, whose packed
rows draw other random numbers than `generate`, against which this loop is tested. Plain TRL spends half of a step in
`generate`; with this loop and the savings of the update a step takes 0.5 to 0.7 of that (docs/speed.md).

A prompt that occurs several times is read once, its keys and values expanded to its rows; a row that has ended leaves
the batch; the cache grows in place instead of being copied at every token. Random numbers are drawn for rows that have
left too.

From a small vocabulary they are drawn as `generate` draws them, so the same seed gives the same completions up to float
rounding. From a large one that takes longer than the model's own head: a random number for every word. There, where
`speed.single_uniform` allows it, one uniform number a row finds its token in the cumulative sum of the probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from transformers import DynamicCache, LogitsProcessorList, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.models import upstream
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.types import Ids

# Tokens by which a full cache grows. More of them would lie between the rows unused, where a processor has to pass over
# them: with 64 a token of the built-in model took 1.4 times as long.
GROWTH = 16
LARGE_VOCABULARY = 4096  # words from which a token is drawn with one uniform number; our choice
LEAVING_SHARE = 8  # rows leave once one in so many has ended: fewer would not pay for the copy


@dataclass(frozen=True)
class LanguageModel:
    """A model with the tokens that end its completions and the one that fills up short rows."""

    model: PreTrainedModel
    eos_ids: Sequence[int]
    pad_id: int

    def padded(self, prompts: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids padded on the left, and True where a token is no padding, both (B, T)."""
        device = self.model.device
        width = max(map(len, prompts))
        rows = [[self.pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        mask = torch.arange(width, device=device) >= width - lengths.unsqueeze(1)
        return torch.tensor(rows, device=device), mask


def supports(model: Any) -> bool:
    """Whether the loop can serve this model: a decoder whose every layer keeps all keys and values."""
    if model.config.is_encoder_decoder or not upstream.keeps_last_logits(model):
        return False
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)


@torch.inference_mode()
def decode(
    language_model: LanguageModel, request: Request, params: SamplingParams, speed: SpeedSettings
) -> list[list[int]]:
    """The tokens drawn for each prompt, as many as its limit; what follows the first that ends a row is padding.

    The model must be in evaluation mode. The request's listener is told of rows that leave the batch, with all tokens
    that were drawn for them so far.
    """
    model, device, rows = language_model.model, language_model.model.device, len(request.prompts)
    limits, bend = request.limits_under(params), warpers(params)
    logits, mask, cache = _prefill(language_model, request.prompts, speed.shared_prefill)
    positions = mask.sum(1, keepdim=True)
    ends = torch.tensor(list(language_model.eos_ids), device=device)
    last = torch.tensor(limits, device=device) - 1
    flat = upstream.attention_of(model) == "sdpa"
    most = max(limits)
    drawn = torch.full((rows, most), language_model.pad_id, device=device)
    scores = torch.zeros(rows, most, device=device)
    present = torch.arange(rows, device=device)  # rows of the caller that are still in the batch
    ended = torch.zeros(rows, dtype=torch.bool, device=device)  # of these, the ones that are done
    # Columns of tokens to come: each row sees all of its own.
    mask = torch.cat([mask, mask.new_ones(rows, most)], dim=1)
    for step in range(most):
        last_logits = logits[:, -1].float()
        single = speed.single_uniform and last_logits.shape[-1] >= LARGE_VOCABULARY
        tokens = _choose(last_logits, bend, present, rows, single)
        if request.scored is not None:
            scores[present, step] = _log_probs(last_logits, params.temperature, tokens)
        tokens = tokens.masked_fill(ended, language_model.pad_id)
        drawn[present, step] = tokens
        ended |= torch.isin(tokens, ends) | (last[present] <= step)
        left = len(present) - int(ended.sum())
        if left == 0 or step == most - 1:
            break
        if speed.drop_finished and (len(present) - left) * LEAVING_SHARE >= len(present):
            if request.finished is not None:
                for row in present[ended].tolist():
                    request.finished(row, tuple(drawn[row, : min(step + 1, limits[row])].tolist()))
            stay = (~ended).nonzero().squeeze(1)
            present, tokens, positions = present[stay], tokens[stay], positions[stay]
            mask, ended = mask[stay], ended[stay]
            cache.batch_select_indices(stay)
        seen = mask[:, : cache.get_seq_length() + 1]
        # For one query per row, the form that costs the model's attention least.
        seen = seen[:, None, None, :] if flat else seen.long()
        logits = _next_logits(model, tokens.unsqueeze(1), seen, positions, cache)
        positions = positions + 1
    if request.scored is not None:
        for row, values in enumerate(scores.tolist()):
            request.scored(row, values)
    return [row[:limit] for row, limit in zip(drawn.tolist(), limits, strict=True)]


def warpers(params: SamplingParams) -> LogitsProcessorList | None:
    """The changes to the distribution before a draw, in the order of `generate`; None where nothing is drawn."""
    if params.temperature == 0:
        return None
    chain = LogitsProcessorList()
    if params.temperature != 1.0:
        chain.append(transformers.TemperatureLogitsWarper(params.temperature))
    if params.top_k:
        chain.append(transformers.TopKLogitsWarper(params.top_k))
    if params.top_p < 1.0:
        chain.append(transformers.TopPLogitsWarper(params.top_p))
    return chain


def _prefill(
    language_model: LanguageModel, prompts: Sequence[Ids], shared: bool
) -> tuple[torch.Tensor, torch.Tensor, DynamicCache]:
    """Logits of the last token (B, 1, V), which tokens are no padding (B, T), and the cache, for all B prompts."""
    model = language_model.model
    distinct = list(dict.fromkeys(prompts)) if shared else list(prompts)
    ids, mask = language_model.padded(distinct)
    cache = DynamicCache(config=model.config)
    cache.layers = [_GrowingLayer() for _ in cache.layers]
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = _next_logits(model, ids, mask.long(), positions, cache)
    if len(distinct) < len(prompts):
        place = {prompt: index for index, prompt in enumerate(distinct)}
        source = torch.tensor([place[prompt] for prompt in prompts], device=mask.device)
        logits, mask = logits[source], mask[source]
        cache.batch_select_indices(source)
    return logits, mask, cache


def _next_logits(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
) -> torch.Tensor:
    """Logits (B, 1, V) of what follows `ids` (B, T), whose keys and values the cache takes up."""
    read = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    logits: torch.Tensor = model(
        **read, past_key_values=cache, use_cache=True, logits_to_keep=1
    ).logits
    return logits


def _choose(
    logits: torch.Tensor,
    bend: LogitsProcessorList | None,
    present: torch.Tensor,
    rows: int,
    single: bool,
) -> torch.Tensor:
    """One token (B,) for each row that is present; random numbers are drawn for all `rows`."""
    if bend is None:
        return logits.argmax(-1)
    read: Any = None  # the tokens so far, which none of these warpers looks at
    probabilities = bend(read, logits).softmax(-1)
    if single:
        return _by_sum(probabilities, torch.rand(rows, device=logits.device)[present])
    # What torch.multinomial does with one sample per row.
    noise = torch.empty(rows, logits.shape[-1], device=logits.device).exponential_()
    if len(present) < rows:
        noise = noise[present]
    return (probabilities / noise).argmax(-1)


def _by_sum(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The token (B,) in whose part of the cumulative sum of (B, V) each of `uniform`, (B,) in [0, 1), lies."""
    sums = probabilities.cumsum(-1)
    whole = sums[:, -1]
    # A product that is rounded up to the whole sum would lie behind every token.
    below = torch.minimum(uniform * whole, whole.nextafter(torch.zeros_like(whole)))
    return torch.searchsorted(sums, below.unsqueeze(1), right=True).squeeze(1)


def _log_probs(logits: torch.Tensor, temperature: float, tokens: torch.Tensor) -> torch.Tensor:
    """The log-probabilities (B,) of tokens at a temperature, where 0 is taken for 1."""
    scaled = logits / (temperature or 1.0)
    return scaled.gather(1, tokens.unsqueeze(1)).squeeze(1) - scaled.logsumexp(-1)


class _GrowingLayer(DynamicLayer):
    """A cache layer with room for tokens to come, so that one more token copies nothing."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # transformers has no types for it
        self._key_room = torch.empty(0)
        self._value_room = torch.empty(0)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if before == 0 or after > self._key_room.shape[-2]:
            self._key_room = _with_room(self.keys, key_states, after + GROWTH)
            self._value_room = _with_room(self.values, value_states, after + GROWTH)
        self._key_room[:, :, before:after] = key_states
        self._value_room[:, :, before:after] = value_states
        self.keys = self._key_room[:, :, :after]
        self.values = self._value_room[:, :, :after]
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        length = self.get_seq_length()
        self._key_room = self._key_room.index_select(0, indices)
        self._value_room = self._value_room.index_select(0, indices)
        self.keys = self._key_room[:, :, :length]
        self.values = self._value_room[:, :, :length]


def _with_room(held: torch.Tensor, like: torch.Tensor, length: int) -> torch.Tensor:
    """An uninitialised (B, heads, `length`, width) that begins with what is held."""
    room = like.new_empty(*like.shape[:2], length, like.shape[-1])
    if held.numel():
        room[:, :, : held.shape[-2]] = held
    return room
