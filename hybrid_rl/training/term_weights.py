"""The number by which each row of a method's terms is weighed: advantages, scales and normalisers.

Everything here is local to a row, given what all ranks count together. So a loss does not depend on how its rows are
cut into micro-batches and ranks. This file knows no torch.
"""

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Literal

from hybrid_rl.config.train import RlSettings
from hybrid_rl.methods.terms import Mean, Row, Term

MEANS: dict[str, Mean] = {"grpo": "row", "dapo": "token", "dr_grpo": "slot"}
"""What a term is divided by that follows train.rl.loss."""
Scaling = Literal["group", "batch", "none"]
_SMALLEST = 1e-4  # TRL adds as much to the spread


@dataclass
class Totals:
    """What one term holds, on one rank or on all of them together."""

    rows: int = 0
    tokens: int = 0
    expert_tokens: int = 0
    judged: bool = False
    """Whether a row has a reward."""

    @classmethod
    def of(cls, term: Term) -> "Totals":
        return cls(
            rows=len(term.rows),
            tokens=sum(len(row.target) for row in term.rows),
            expert_tokens=sum(len(row.target) for row in term.rows if row.expert),
            judged=any(row.reward is not None for row in term.rows),
        )

    def add(self, other: "Totals") -> None:
        """Takes in the same term of another rank."""
        self.rows += other.rows
        self.tokens += other.tokens
        self.expert_tokens += other.expert_tokens
        self.judged |= other.judged


@dataclass(frozen=True)
class Share:
    """What a rank tells the others of its terms, before any row is left out."""

    totals: list[Totals] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    """The rewards of the rows that are learned from, for a spread over the batch."""

    @classmethod
    def of(cls, terms: Sequence[Term]) -> "Share":
        rows = [row for term in terms for row in term.rows if row.target and row.in_baseline]
        rewards = [row.reward for row in rows if row.reward is not None]
        return cls([Totals.of(term) for term in terms], rewards)


def joined(shares: Sequence[Share]) -> Share:
    """The shares of all ranks as one. Raises ValueError where ranks have different numbers of terms."""
    counts = [len(share.totals) for share in shares]
    if len(set(counts)) > 1:
        raise ValueError(f"`terms` must return as many terms on every rank; found {counts}")
    whole = Share([Totals() for _ in range(counts[0])])
    for share in shares:
        whole.rewards.extend(share.rewards)
        for ours, theirs in zip(whole.totals, share.totals, strict=True):
            ours.add(theirs)
    return whole


@dataclass(frozen=True)
class WeightedRow:
    """A row with the numbers that its loss needs; each but `weight` belongs to its term."""

    row: Row
    term: int
    weight: float
    """The row's weight, times its advantage where it has a reward."""
    share: float
    """The scale of its term over the normaliser: what one token of the row counts."""
    bonus: float = 0.0
    """What the entropy of one of its tokens counts."""
    kl: float = 0.0
    """What the KL of one of its tokens counts; 0 where it has no reward."""
    at_sampling: bool = True
    """Whether its probabilities are those at the sampling temperature."""

    @property
    def matters(self) -> bool:
        """Whether the row adds anything to the loss."""
        return bool(self.weight * self.share or self.bonus or self.kl)


def with_end(term: Term, end_id: int) -> Term:
    """The term with the end-of-sequence token where a row says that it follows."""
    ended = [
        replace(row, target=(*row.target, end_id), ends=False) if row.ends else row
        for row in term.rows
    ]
    return replace(term, rows=ended)


def weighted(
    terms: Sequence[Term], whole: Share, rl: RlSettings, most_tokens: int
) -> list[WeightedRow]:
    """All rows of this rank that have a target, weighed; `whole` is what all ranks hold, `most_tokens` the slot."""
    spread = stdev(whole.rewards) if len(whole.rewards) > 1 else 0.0
    advantages = iter(_advantages(terms, rl.scale_rewards, spread))
    found = []
    for number, (term, totals) in enumerate(zip(terms, whole.totals, strict=True)):
        mean = term.mean or MEANS[rl.loss]
        bonus = term.entropy_bonus
        if bonus is None:
            bonus = rl.entropy_bonus if term.mean is None else 0.0
        at_sampling = term.mean is None or totals.judged
        for row in term.rows:
            advantage = next(advantages)
            if not row.target:
                continue
            share = term.scale / normaliser(mean, totals, len(row.target), most_tokens)
            found.append(
                WeightedRow(
                    row,
                    term=number,
                    weight=row.weight * advantage,
                    share=share,
                    bonus=term.scale * bonus / totals.tokens,
                    kl=0.0 if row.reward is None else rl.beta * share,
                    at_sampling=at_sampling,
                )
            )
    return found


def normaliser(mean: Mean, totals: Totals, target: int, most_tokens: int) -> int:
    """What a token of a row of `target` tokens is divided by."""
    if mean == "token":
        return totals.tokens
    return totals.rows * (target if mean == "row" else most_tokens)


def _advantages(terms: Sequence[Term], scaling: Scaling, batch_spread: float) -> list[float]:
    """The advantage of each row of all terms in their order; 1 for a row without a reward."""
    baselines: dict[str, list[float]] = defaultdict(list)
    rows = [row for term in terms for row in term.rows]
    for row in rows:
        if row.reward is not None and row.in_baseline:
            baselines[row.peers].append(row.reward)
    return [
        1.0
        if row.reward is None
        else advantage(row.reward, baselines[row.peers], scaling, batch_spread)
        for row in rows
    ]


def advantage(
    reward: float, baseline: Sequence[float], scaling: Scaling, batch_spread: float
) -> float:
    """The reward less the mean of `baseline`, over the spread that `scaling` names, as TRL has it.

    The spread of a group is that of the baseline. Where all of that are equal, `reward` is counted with them, so that
    one other reward does not become a thousandfold advantage. Equal rewards give exactly 0, as float32 has them.
    """
    if not baseline:
        raise ValueError("a row has a reward, and none of its peers is in the baseline")
    if _uniform([*baseline, reward]):
        return 0.0
    above = reward - fmean(baseline)
    if scaling == "none":
        return above
    if scaling == "batch":
        return above / (batch_spread + _SMALLEST)
    compared = [*baseline, reward] if _uniform(baseline) else baseline
    return above / (stdev(compared) + _SMALLEST)


def _uniform(rewards: Sequence[float]) -> bool:
    return len(set(array("f", rewards))) < 2
