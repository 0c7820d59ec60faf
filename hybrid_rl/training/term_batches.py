"""Micro-batches of weighed rows: which rows pass through the model together, and the tensors that it reads.

Rows of all terms share micro-batches, for all that a row needs it carries itself. It knows no trainer and no loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from hybrid_rl.training.term_weights import WeightedRow
from hybrid_rl.types import Ids


@dataclass(frozen=True)
class Part:
    """The rows of one micro-batch beside its tensors; as no tensor it stays in full precision on every engine."""

    rows: tuple[WeightedRow, ...]
    context: int
    """Columns of the contexts, which are padded on the left; the targets follow, padded on the right."""
    seen: dict[str, torch.Tensor] = field(default_factory=dict)
    """What the first of several updates found: log-probabilities by `old` and `reference`, (B, T)."""


IDLE: dict[str, Any] = {}
"""A micro-batch that nothing is left for."""


def cut(
    rows: Sequence[WeightedRow], count: int, size: int, by_length: bool
) -> list[list[WeightedRow]]:
    """The rows in `count` parts of at most `size`; those behind have fewer, or none.

    `by_length` puts rows of like length together, and rows of one context, which is then read once.
    """
    ordered = list(rows)
    if by_length:
        longest: dict[Ids, int] = {}
        for one in rows:
            context = one.row.context
            longest[context] = max(longest.get(context, 0), len(context) + len(one.row.target))
        places = {context: place for place, context in enumerate(longest)}

        def key(one: WeightedRow) -> tuple[int, int, int]:
            context = one.row.context
            return -longest[context], places[context], -len(one.row.target)

        ordered.sort(key=key)
    return [ordered[part * size : (part + 1) * size] for part in range(count)]


def collate(rows: Sequence[WeightedRow], pad_id: int) -> dict[str, Any]:
    """`input_ids` and `attention_mask`, each (B, C + T), and the `part`, for B rows of C context and T target columns.

    Without rows: one row of padding, so that a model that all ranks must enter has something to read.
    """
    context = max((len(one.row.context) for one in rows), default=1)
    target = max((len(one.row.target) for one in rows), default=1)
    ids, mask = [], []
    for one in rows:
        before, behind = context - len(one.row.context), target - len(one.row.target)
        ids.append([*[pad_id] * before, *one.row.context, *one.row.target, *[pad_id] * behind])
        mask.append([0] * before + [1] * (context + target - before - behind) + [0] * behind)
    if not rows:
        ids, mask = [[pad_id] * 2], [[1, 0]]
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask),
        "part": Part(tuple(rows), context),
    }
