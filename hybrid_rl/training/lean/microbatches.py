"""Micro-batches of an RL batch: which rows pass through the model together, and by what their loss is scaled.

It knows no trainer. TRL cuts a batch into micro-batches of equal row counts, padded to the longest row of all. Here
rows without advantage may stay out, the others are put together by length, and padding is trimmed. `scale` makes up
for it: TRL's losses of the parts, times their scales, add up to TRL's loss of the batch.
"""

from collections.abc import Mapping, Sequence

import torch

Inputs = dict[str, torch.Tensor]
"""A batch as TRL makes it: everything by rows, `prompt_*` padded on the left, `completion_*` on the right."""

BY_ROWS = ("grpo", "dr_grpo")
"""Losses that TRL divides by the rows of a micro-batch; dapo is divided by the tokens of the whole batch."""


def kept(advantages: Sequence[float], skip: bool) -> list[int]:
    """The rows to compute: those that have an advantage where `skip` says so, or all."""
    return [row for row, advantage in enumerate(advantages) if advantage or not skip]


def filled(rows: Sequence[int], least: int, lengths: Sequence[int]) -> list[int]:
    """`rows`, and as many of the others as `least` asks for, short ones first."""
    missing = max(0, least - len(rows))
    present = set(rows)
    spare = sorted(
        (row for row in range(len(lengths)) if row not in present), key=lengths.__getitem__
    )
    return [*rows, *spare[:missing]]


def by_budget(
    rows: Sequence[int], lengths: Sequence[int], groups: Sequence[int], budget: int
) -> list[list[int]]:
    """The rows in parts of at most `budget` tokens, padding included, or one row.

    Rows of a group stay together as far as possible, for they share their context; long groups go first.
    """
    longest: dict[int, int] = {}
    for row in rows:
        longest[groups[row]] = max(longest.get(groups[row], 0), lengths[row])
    order = sorted(rows, key=lambda row: (-longest[groups[row]], groups[row], -lengths[row], row))
    parts: list[list[int]] = []
    width = 0
    for row in order:
        width = max(width, lengths[row])
        if not parts or (len(parts[-1]) + 1) * width > budget:
            parts.append([])
            width = lengths[row]
        parts[-1].append(row)
    return parts


def evenly(rows: Sequence[int], count: int, lengths: Sequence[int]) -> list[list[int]]:
    """The rows, whose number `count` divides, in `count` parts of equal size, each of rows of like length."""
    order = sorted(rows, key=lambda row: -lengths[row])
    size = len(order) // count
    return [order[index * size : (index + 1) * size] for index in range(count)]


def joined(batches: Sequence[Inputs]) -> Inputs:
    """The micro-batches of one step as one batch."""
    first = batches[0]
    if len(batches) == 1:
        return dict(first)
    return {
        name: torch.cat([batch[name] for batch in batches]) if tensor.dim() else tensor
        for name, tensor in first.items()
    }


def taken(inputs: Mapping[str, torch.Tensor], rows: Sequence[int]) -> Inputs:
    """The given rows of a batch, without the padding that all of them have; at least one column is left."""
    index = torch.tensor(rows, device=inputs["prompt_ids"].device)
    chosen = {
        name: one.index_select(0, index) if one.dim() else one for name, one in inputs.items()
    }
    blank = _leading_zeros(chosen["prompt_mask"])
    written = chosen["completion_mask"].shape[1] - _leading_zeros(chosen["completion_mask"].flip(1))
    width = inputs["completion_ids"].shape[1]
    for name, tensor in chosen.items():
        if name in ("prompt_ids", "prompt_mask"):
            chosen[name] = tensor[:, min(blank, tensor.shape[1] - 1) :]
        elif tensor.dim() == 2 and tensor.shape[1] == width:
            chosen[name] = tensor[:, : max(written, 1)]
    return chosen


def row_mask(inputs: Mapping[str, torch.Tensor], trained: Sequence[bool]) -> torch.Tensor:
    """A mask (B, T) with 1 for the completions of the rows that are trained and 0 for those of the others."""
    mask = inputs["completion_mask"]
    return torch.tensor(trained, device=mask.device, dtype=mask.dtype).unsqueeze(1).expand_as(mask)


def lengths(inputs: Mapping[str, torch.Tensor]) -> list[int]:
    """How many tokens each row has, context included."""
    found: list[int] = (inputs["prompt_mask"].sum(1) + inputs["completion_mask"].sum(1)).tolist()
    return found


def contexts(inputs: Mapping[str, torch.Tensor]) -> list[int]:
    """The index, for each row, of the first row with the same prompt."""
    first: dict[tuple[int, ...], int] = {}
    ids = (inputs["prompt_ids"] * inputs["prompt_mask"]).tolist()
    return [first.setdefault(tuple(prompt), row) for row, prompt in enumerate(ids)]


def scale(loss: str, part: Inputs, batch: Inputs, micro_batches: int) -> float:
    """The factor for TRL's loss of `part`, where `batch` is what TRL would have cut into `micro_batches`.

    For bnpo, which divides by the tokens of a micro-batch, `batch` must be the one micro-batch that `part` is from.
    """
    if loss in BY_ROWS:
        return len(part["advantages"]) * micro_batches / len(batch["advantages"])
    if loss == "bnpo":
        return _loss_tokens(part) / _loss_tokens(batch)
    return 1.0


def _loss_tokens(inputs: Inputs) -> float:
    mask = inputs["completion_mask"]
    if "tool_mask" in inputs:
        mask = mask * inputs["tool_mask"]
    return max(1.0, float(mask.sum()))


def _leading_zeros(mask: torch.Tensor) -> int:
    """The number of columns before the first one with a 1."""
    found = mask.any(0).nonzero()
    return int(found[0]) if len(found) else mask.shape[1]
