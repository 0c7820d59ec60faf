"""Demonstrations in an SFT update: how they become micro-batches, and their loss.

The loss is the mean over all supervised tokens of the global batch, however it is cut into micro-batches and ranks.
Means of micro-batch means weigh short demonstrations more; an audit found published baselines to suffer from it
(arXiv 2604.23747, section 4).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch

from hybrid_rl.training.divergence import kl_sum
from hybrid_rl.training.lean.scoring import IGNORED, ScoringRequest
from hybrid_rl.types import Demonstration, Example

Head = Literal["scoring", "fused", "logits"]
"""Where log-probabilities come from: a model that `scoring.install` has taught; TRL's LM head, which never holds all
logits, and divides them by the sampling temperature, so that it is right at temperature 1 only; or all logits."""


def rows(examples: Sequence[Example], end_id: int) -> list[Demonstration]:
    """The prompts with their traces, each ended by `end_id`. Raises ValueError for an example without one."""
    found = []
    for example in examples:
        if example.trace is None:
            raise ValueError(f"{example.id} has no trace to learn from")
        found.append(Demonstration(example.prompt_ids, (*example.trace.ids, end_id)))
    return found


def collate(rows: Sequence[Demonstration], pad_id: int) -> dict[str, torch.Tensor]:
    """`input_ids`, `attention_mask` and `labels`, each (B, T), padded on the right."""
    width = max(len(context) + len(target) for context, target in rows)
    ids, mask, labels = [], [], []
    for context, target in rows:
        padding = width - len(context) - len(target)
        ids.append([*context, *target, *[pad_id] * padding])
        mask.append([1] * (width - padding) + [0] * padding)
        labels.append([*[IGNORED] * len(context), *target, *[IGNORED] * padding])
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask),
        "labels": torch.tensor(labels),
    }


def micro_batches(
    rows: Sequence[Demonstration], count: int, rank: int, world_size: int, pad_id: int
) -> list[dict[str, torch.Tensor]]:
    """The share of `rank` of all rows, cut into exactly `count` micro-batches.

    Where there are too few rows, a micro-batch is one row without a target: it keeps ranks in lock step and adds zero.
    """
    mine = rows[rank::world_size]
    return [
        collate(mine[i::count] or [Demonstration(rows[0].context, ())], pad_id)
        for i in range(count)
    ]


def loss_sum(
    model: Any, inputs: Mapping[str, torch.Tensor], entropy_bonus: float, head: Head
) -> torch.Tensor:
    """Sum over target tokens of -log p(token) - `entropy_bonus` * H(p), in nats, float32."""
    if head == "scoring":
        request = ScoringRequest(inputs["labels"], 0, 1.0, False, entropy_bonus != 0)
        log_probs, entropy = model(**_read(inputs), request=request)
        return _summed(log_probs, entropy, entropy_bonus)
    if head == "fused":
        output = model(**inputs, fused_lm_head=True)
        return _summed(output.log_probs, output.entropy, entropy_bonus)
    return _of_logits(model(**_read(inputs)).logits, inputs["labels"], entropy_bonus)


def loss_and_divergence(
    model: Any, reference: Any, inputs: Mapping[str, torch.Tensor], entropy_bonus: float
) -> tuple[torch.Tensor, float]:
    """`loss_sum`, and the sum over target tokens of KL(model || reference), which has no gradient; by all logits."""
    logits: torch.Tensor = model(**_read(inputs)).logits
    counts = inputs["labels"][:, 1:] != IGNORED
    with torch.no_grad():
        theirs: torch.Tensor = reference(**_read(inputs)).logits
        divergence = kl_sum(logits[:, :-1][counts], theirs[:, :-1][counts])
    return _of_logits(logits, inputs["labels"], entropy_bonus), divergence


def _of_logits(logits: torch.Tensor, labels: torch.Tensor, entropy_bonus: float) -> torch.Tensor:
    log_probs = logits[:, :-1].float().log_softmax(-1)
    labels = labels[:, 1:]
    counts = labels != IGNORED
    chosen = log_probs.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    total = -(chosen * counts).sum()
    if entropy_bonus:
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        total = total - entropy_bonus * (entropy * counts).sum()
    return total


def _summed(log_probs: torch.Tensor, entropy: torch.Tensor, entropy_bonus: float) -> torch.Tensor:
    return -log_probs.sum() - entropy_bonus * entropy.sum()


def _read(inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: inputs[name] for name in ("input_ids", "attention_mask")}
