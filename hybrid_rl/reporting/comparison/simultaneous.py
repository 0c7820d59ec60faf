"""Several arms against one reference: p-values and intervals that hold for all of them together, and agree.

The chance that any of them is wrong is at most 5 %. The p-values are Holm's (1979), in the truncated form of
Dmitrienko, Tamhane and Wiens ("General multistage gatekeeping procedures", 2008), for each direction at half of the
level, so that the sign of a difference is held to the same standard. Holm's own method hands all that decided arms
leave over to the others. Then no interval can say more of a decided arm than that 0 is outside (Strassburger and Bretz,
"Compatible simultaneous lower confidence bounds", 2008). The truncated method keeps a part back for the intervals of
decided arms: `STEP_DOWN` is the part that is handed on. At 0 it is Bonferroni's method, at 1 Holm's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting.comparison.contrasts import LEVEL, Contrast

STEP_DOWN = 0.5
"""Our choice: half of Holm's gain, for intervals that are little wider than Bonferroni's."""


@dataclass(frozen=True)
class Together:
    """A contrast among several."""

    p: float
    """The p-value, corrected for all of them; at most .05 exactly where `difference` excludes 0."""
    difference: Interval
    """Its interval; those of all contrasts hold the truth at once in 95 % of studies. An end at 0 is outside."""


def share(left: int, arms: int) -> float:
    """The share of the error level that each of the `left` arms has that are not decided yet."""
    return STEP_DOWN / left + (1 - STEP_DOWN) / arms


def together(contrasts: Sequence[Contrast]) -> list[Together]:
    """Every contrast with the p-value and the interval that hold for all of them together.

    Written by hand: SciPy has no Holm, and statsmodels, which has Holm's p-values, no intervals that agree with them.
    """
    halves = [one.p / 2 if one.difference.value > 0 else 1 - one.p / 2 for one in contrasts]
    ups, downs = _stepped(halves), _stepped([1 - half for half in halves])
    low_levels, high_levels = _levels(ups), _levels(downs)
    made = []
    for one, up, down, low, high in zip(
        contrasts, ups, downs, low_levels, high_levels, strict=True
    ):
        interval = Interval(
            one.difference.value,
            one.low(low, up <= LEVEL / 2),
            one.high(high, down <= LEVEL / 2),
        )
        made.append(Together(min(1.0, 2 * min(up, down)), interval))
    return made


def _stepped(p_values: Sequence[float]) -> list[float]:
    """One-sided p-values, corrected from the smallest on: none is below one that was smaller before."""
    arms = len(p_values)
    found, highest = [1.0] * arms, 0.0
    for rank, index in enumerate(sorted(range(arms), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[index] / share(arms - rank, arms)))
        found[index] = highest
    return found


def _levels(corrected: Sequence[float]) -> list[float]:
    """The two-sided level of every arm's bound in one direction, from its corrected one-sided p-values.

    Arms that are not decided have what Holm's last step left each; decided ones what was kept back for them, and all of
    the level where none is left.
    """
    arms = len(corrected)
    if not arms:
        return []
    left = sum(p > LEVEL / 2 for p in corrected)
    kept = (1 - STEP_DOWN) / arms if left else 1 / arms
    return [LEVEL * (share(left, arms) if p > LEVEL / 2 else kept) for p in corrected]
