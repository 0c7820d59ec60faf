"""The rule by which a study that adds seeds decides: what one look at an arm sees, and whether it is the last.

There is a look after every seed: it costs nothing beside a run, and O'Brien and Fleming's spending leaves almost all
of the power to the last look, however many there are. Each arm has an equal part of the error level (Bonferroni), which
is valid whenever the others stop. The part is spent over the arm's looks as `sequential` says, and the p-value of the
usual contrast is held against the level of its look. Because few seeds mean t and not z, only .8 of the part is spent.

The interval of a look is a repeated confidence interval (Jennison and Turnbull, "Repeated confidence intervals for
group sequential clinical trials", 1984): that of the usual contrast, at the look's level. Those of all looks and arms
hold the truth at once in 95 % of studies. So a look may also find that a difference is surely within a margin, and an
arm may be stopped or left at any look for any other reason, without more error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hybrid_rl.recording.looks import Decision
from hybrid_rl.reporting.comparison import sequential
from hybrid_rl.reporting.comparison.contrasts import LEVEL, contrast
from hybrid_rl.reporting.comparison.sequential import Spending

SPENDING: Spending = "obrien_fleming"
"""Our choice: Pocock's stops earlier where a difference is large, but has less power (.79 where this has .90)."""
KEPT = 0.8
"""The part of the error level that is spent; see `sequential.t_boundaries`. Our choice, by 32,000 simulated studies:
where arms vary seven times as much as the reference, .85 errs in .052 of them and .8 in .049."""


@dataclass(frozen=True)
class Rule:
    """What was fixed before the first look."""

    first: int
    """The seeds at the first look."""
    most: int
    """The seeds at the last look."""
    arms: int
    """The arms beside the reference."""
    margin: float | None = None
    """A difference that is surely smaller is decided too; None: there is no such difference."""

    @property
    def alpha(self) -> float:
        """The error level that an arm spends over its looks."""
        return LEVEL * KEPT / self.arms

    def levels(self, seeds: int | None = None) -> list[float]:
        """The error level of each look up to that with so many seeds; None: of all."""
        return sequential.nominal_levels(self._shares(seeds or self.most), self.alpha, SPENDING)

    def p_together(self, p_values: Sequence[float]) -> float:
        """The p-value of all looks so far, corrected for all arms; at most .05 where one is at most its level."""
        shares = self._shares(self.first + len(p_values) - 1)
        whole = sequential.sequential_p(p_values, shares, SPENDING)
        return min(1.0, whole * self.arms / KEPT)

    def _shares(self, seeds: int) -> list[float]:
        return [n / self.most for n in range(self.first, seeds + 1)]


@dataclass(frozen=True)
class Sight:
    """What a look sees, and what it decides."""

    difference: float
    low: float
    high: float
    p: float
    level: float
    p_together: float
    decision: Decision


def look(
    rule: Rule,
    reference: Sequence[Sequence[float]],
    other: Sequence[Sequence[float]],
    earlier: Sequence[float],
) -> Sight:
    """A look at tables `[seed][question]`; `earlier` are the p-values of the looks before it, none of which decided."""
    found = contrast(reference, other)
    level = rule.levels(len(other))[-1]
    p_together = rule.p_together([*earlier, found.p])
    sure, value = p_together <= LEVEL, found.difference.value
    low, high = found.low(level, sure and value > 0), found.high(level, sure and value < 0)
    decision: Decision = "open"
    if sure:
        decision = "better" if value > 0 else "worse"
    elif rule.margin is not None and -rule.margin < low and high < rule.margin:
        decision = "within margin"
    elif len(other) == rule.most:
        decision = "undecided"
    return Sight(value, low, high, found.p, level, p_together, decision)
