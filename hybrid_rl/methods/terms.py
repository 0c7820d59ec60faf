"""Rows and terms, of which a method may make up the loss of an optimizer step: what counts, and with which weight.

The loss of a step is a sum of terms, and a term is a sum over rows. Each row has a context, a target, a weight or a
reward to be judged among its peers, and a factor of the policy's own probability. In the first update on a batch of
rollouts the ratio of new to old probabilities is 1 and no clip is active: the gradient of such a loss is
`- sum_rows sum_t c_t grad log p_t` with numbers c_t that are known without a gradient. A loss F(p) has c = -p dF/dp:
-log p has 1, -p log p with a fixed first p has p, and -A p/(p + s) has A s p/(p + s)^2. In further updates on the same
batch (train.rl.updates_per_batch) a factor is that of the p of the time, and rows with a reward and no factor have the
ratio, and its clip.

`training/term_weights.py` turns rewards into advantages, and `training/term_loss.py` has the formula as a whole.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hybrid_rl.types import Example, Group, Ids

Factor = Literal["one", "p", "p(1-p)", "shaped"]
"""What a token's weight is multiplied by, a function of its probability p without a gradient; shaped: s p/(p + s)^2."""
Mean = Literal["row", "token", "slot"]

_numbers = itertools.count()


@dataclass(frozen=True)
class Row:
    """One context, one target, and one rule for every token of the target."""

    example: Example
    context: Ids
    """Tokens that are conditioned on and never in the loss."""
    target: Ids
    """Tokens in the loss; without any the row counts as a row of its term, and among its peers, and nothing else."""
    weight: float = 1.0
    """0 leaves the row in every mean, and in the cost, without a gradient of its own."""
    reward: float | None = None
    """If given, the weight is multiplied by the advantage of this reward among the rows of equal `peers`."""
    peers: str = ""
    """The name of those whose rewards are compared; all are of one rank, as the rollouts of a question are."""
    in_baseline: bool = True
    """False: the reward is compared with those of its peers and is not one of them."""
    factor: Factor = "one"
    shape: float = 0.1
    """The s of `factor: shaped`."""
    keep: float = 1.0
    """Share of the target's tokens, those of highest entropy, that learn; the others still count in every mean."""
    entropy: float = 0.0
    """x: the weight is multiplied by exp(x * mean entropy of the target), without a gradient."""
    ends: bool = False
    """Whether the end-of-sequence token follows `target` in the loss, as it does after a demonstration."""
    expert: bool = False
    """Whether the target is the expert's: then the budget counts its trace as used, and logs tell it apart."""
    ratio: bool | None = None
    """Whether the loss has, in further updates on a batch, the ratio of new to old probabilities, with its clip. None:
    where the row has a reward. A `factor` is one of the policy as it is, so that such a row never has it."""

    def __post_init__(self) -> None:
        if self.reward is not None and not self.peers:
            raise ValueError("a row with a reward needs `peers` to compare it with")
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep = {self.keep}: must be above 0 and at most 1")

    @property
    def over_old(self) -> bool:
        """Whether the loss has the ratio to the probabilities of the policy that drew the batch."""
        wanted = self.reward is not None if self.ratio is None else self.ratio
        return wanted and self.factor == "one"


@dataclass(frozen=True)
class Term:
    """A sum over rows of this rank. All ranks give equally many terms, in the same order.

    Probabilities are those at the sampling temperature where `mean` is None or a row has a reward; else at 1.
    """

    rows: Sequence[Row]
    scale: float = 1.0
    """A factor of the term as a whole, its KL and its entropy bonus included."""
    mean: Mean | None = None
    """What the sum is divided by, over all ranks: row: each row by its own tokens, then by the rows; token: by the
    tokens; slot: by the rows times the length limit. None: as train.rl.loss says (grpo: row, dapo: token, dr_grpo:
    slot)."""
    entropy_bonus: float | None = None
    """The weight of the mean entropy of the term's tokens, which is subtracted. None: train.rl.entropy_bonus where
    `mean` is None, and otherwise 0."""
    name: str = ""
    """The name of the term in metrics.jsonl; empty: its place among the terms."""


def likelihood(
    example: Example, weight: float = 1.0, factor: Factor = "one", entropy: float = 0.0
) -> Row:
    """The row that imitates the trace of `example`, end-of-sequence token included."""
    assert example.trace is not None, f"{example.id} has no trace to learn from"
    return Row(
        example,
        context=example.prompt_ids,
        target=example.trace.ids,
        weight=weight,
        factor=factor,
        entropy=entropy,
        ends=True,
        expert=True,
    )


def judged(group: Group) -> list[Row]:
    """A row for each rollout of the group, with its reward among those of the others; see `left_out` if untrained."""
    peers = f"group {next(_numbers)}"
    context = group.example.prompt_ids + group.prefix
    rows = [
        Row(group.example, context, rollout.completion, reward=rollout.verdict.reward, peers=peers)
        for rollout in group.rollouts
    ]
    return rows if group.trained else [left_out(row) for row in rows]


def left_out(row: Row) -> Row:
    """`row` without tokens and reward: it is one of the rows of its term and adds nothing, not even to the cost."""
    return replace(row, target=(), weight=0.0, reward=None, ends=False)
