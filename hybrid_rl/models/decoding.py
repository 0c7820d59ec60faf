"""A decode loop that does less work for the same tokens than transformers' `generate`.

A prompt that occurs several times is read once, its keys and values expanded to its rows; a row that has ended leaves
the batch; the cache grows in place instead of being copied at every token. Random numbers are drawn as `generate`
draws them, for rows that have left too, so the same seed gives the same completions up to float rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    PreTrainedModel,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.cache_utils import DynamicLayer

from hybrid_rl.types import Ids

GROWTH = 64  # tokens by which a full cache grows
LEAVING_SHARE = (
    8  # rows leave once one in so many has ended: fewer would not pay for copying the cache
)


def supports(model: Any) -> bool:
    """Whether the loop can serve this model: a decoder whose every layer keeps all keys and values."""
    if model.config.is_encoder_decoder or not model._supports_logits_to_keep():
        return False
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    prompts: Sequence[Ids],
    warpers: LogitsProcessorList | None,
    limits: Sequence[int],
    eos_ids: Sequence[int],
    pad_id: int,
    shared_prefill: bool,
    drop_finished: bool,
    finished: Callable[[int, Ids], None] | None = None,
) -> list[list[int]]:
    """As many tokens per prompt as its limit; what follows a row's first end-of-sequence token is padding.

    `warpers` None takes the likeliest token. The model must be in evaluation mode. `finished` is told of rows that
    leave the batch, by index, with what was drawn so far.
    """
    device, rows = model.device, len(prompts)
    logits, mask, cache = _prefill(model, prompts, pad_id, shared_prefill)
    positions = mask.sum(1, keepdim=True)
    ends = torch.tensor(list(eos_ids), device=device)
    last = torch.tensor(list(limits), device=device) - 1
    most = max(limits)
    drawn = torch.full((rows, most), pad_id, device=device)
    present = torch.arange(rows, device=device)  # rows of the caller that are still in the batch
    ended = torch.zeros(rows, dtype=torch.bool, device=device)  # of these, the ones that are done
    # Columns of tokens to come: each row sees all of its own.
    mask = torch.cat([mask, mask.new_ones(rows, most)], dim=1)
    for step in range(most):
        tokens = _choose(logits[:, -1].float(), warpers, present, rows)
        tokens = tokens.masked_fill(ended, pad_id)
        drawn[present, step] = tokens
        ended |= torch.isin(tokens, ends) | (last[present] <= step)
        left = len(present) - int(ended.sum())
        if left == 0 or step == most - 1:
            break
        if drop_finished and (len(present) - left) * LEAVING_SHARE >= len(present):
            if finished is not None:
                for row in present[ended].tolist():
                    finished(row, tuple(drawn[row, : min(step + 1, limits[row])].tolist()))
            stay = (~ended).nonzero().squeeze(1)
            present, tokens, positions = present[stay], tokens[stay], positions[stay]
            mask, ended = mask[stay], ended[stay]
            cache.batch_select_indices(stay)
        logits = model(
            input_ids=tokens.unsqueeze(1),
            attention_mask=_attention_mask(model, mask[:, : cache.get_seq_length() + 1]),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        positions = positions + 1
    return [row[:limit] for row, limit in zip(drawn.tolist(), limits, strict=True)]


def warpers(temperature: float, top_p: float, top_k: int) -> LogitsProcessorList | None:
    """What bends the distribution before a draw, in the order of `generate`; None for temperature 0: no draw."""
    if temperature == 0:
        return None
    chain = LogitsProcessorList()
    if temperature != 1.0:
        chain.append(TemperatureLogitsWarper(temperature))
    if top_k:
        chain.append(TopKLogitsWarper(top_k))
    if top_p < 1.0:
        chain.append(TopPLogitsWarper(top_p))
    return chain


def _prefill(
    model: PreTrainedModel, prompts: Sequence[Ids], pad_id: int, shared: bool
) -> tuple[torch.Tensor, torch.Tensor, DynamicCache]:
    """Logits of the last token (B, 1, V), which tokens are no padding (B, T), and the cache, for all B prompts."""
    device = model.device
    distinct = list(dict.fromkeys(prompts)) if shared else list(prompts)
    width = max(map(len, distinct))
    padded = [[pad_id] * (width - len(prompt)) + list(prompt) for prompt in distinct]
    lengths = torch.tensor([len(prompt) for prompt in distinct], device=device)
    mask = torch.arange(width, device=device) >= width - lengths.unsqueeze(1)
    cache = DynamicCache(config=model.config)
    cache.layers = [_GrowingLayer() for _ in cache.layers]
    logits = model(
        input_ids=torch.tensor(padded, device=device),
        attention_mask=mask.long(),
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits
    if len(distinct) < len(prompts):
        place = {prompt: index for index, prompt in enumerate(distinct)}
        source = torch.tensor([place[prompt] for prompt in prompts], device=device)
        logits, mask = logits[source], mask[source]
        cache.batch_select_indices(source)
    return logits, mask, cache


def _choose(
    logits: torch.Tensor, warpers: LogitsProcessorList | None, present: torch.Tensor, rows: int
) -> torch.Tensor:
    """One token for each row that is present; random numbers are drawn for all `rows`."""
    if warpers is None:
        return logits.argmax(-1)
    probabilities = warpers(None, logits).softmax(-1)
    # What torch.multinomial does with one sample per row.
    noise = torch.empty(rows, logits.shape[-1], device=logits.device).exponential_()
    if len(present) < rows:
        noise = noise[present]
    return (probabilities / noise).argmax(-1)


def _attention_mask(model: PreTrainedModel, mask: torch.Tensor) -> torch.Tensor:
    """`mask` (B, T) for one query per row, in the form that costs the model's attention least."""
    if model.config._attn_implementation == "sdpa":
        return mask[:, None, None, :]
    return mask.long()


class _GrowingLayer(DynamicLayer):
    """A cache layer with room for tokens to come, so that one more token copies nothing."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room = key_states.new_empty(0), value_states.new_empty(0)
        if before == 0 or after > self._room[0].shape[-2]:
            self._room = (
                _with_room(self.keys, key_states, after + GROWTH),
                _with_room(self.values, value_states, after + GROWTH),
            )
        for room, states in zip(self._room, (key_states, value_states), strict=True):
            room[:, :, before:after] = states
        self.keys, self.values = (room[:, :, :after] for room in self._room)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        length = self.get_seq_length()
        self._room = tuple(room.index_select(0, indices) for room in self._room)
        self.keys, self.values = (room[:, :, :length] for room in self._room)


def _with_room(held: torch.Tensor, like: torch.Tensor, length: int) -> torch.Tensor:
    """An uninitialised (B, heads, `length`, width) that begins with what is held."""
    room = like.new_empty(*like.shape[:2], length, like.shape[-1])
    if held.numel():
        room[:, :, : held.shape[-2]] = held
    return room
