"""Accuracy against what was spent: the cost of a target, and the area under a curve. Pure; knows no file.

A curve is the evaluations of one run in the order of training; x is what was spent so far on one budget axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb, inf


@dataclass(frozen=True)
class Point:
    """One evaluation."""

    spent: float
    accuracy: float


@dataclass(frozen=True)
class CostToTarget:
    """What one run spent until it was first seen at the target; or until it was last seen, without being there."""

    spent: float
    reached: bool


@dataclass(frozen=True)
class Costs:
    """Of all runs of an arm: their median between two of them."""

    median: CostToTarget
    low: CostToTarget
    high: CostToTarget
    coverage: float
    """Chance that [low, high] holds the median of all seeds; of few runs even the whole range holds it seldom."""
    reached: int
    runs: int


def cost_of(curve: Sequence[Point], target: float) -> CostToTarget:
    """The first evaluation at `target` or above, not interpolated; else the last one, after which nothing is known."""
    for point in curve:
        if point.accuracy >= target:
            return CostToTarget(point.spent, True)
    return CostToTarget(curve[-1].spent, False)


def costs(found: Sequence[CostToTarget]) -> Costs:
    """Median and distribution-free interval: the order statistics nearest the middle that hold it in 95 % of cases, or
    all runs where even those do not.

    What a run that was never seen at the target would have cost lies between where it was last seen and infinity. A
    lower end takes the first, an upper end the second, and so does the median, which is then at most too high. Where
    infinity decides, a median is known to be above what it is with the first, and an upper end has no bound: it shows
    how far any run was seen.
    """
    if not found:
        raise ValueError("no run to take a cost of")
    runs = len(found)
    least = sorted(found, key=lambda cost: (cost.spent, not cost.reached))
    most = sorted(cost.spent if cost.reached else inf for cost in found)
    below = 0
    while below + 1 < (runs + 1) // 2 and coverage(runs, below + 1) >= 0.95:
        below += 1
    lower, upper = (runs - 1) // 2, runs // 2
    middle = CostToTarget((most[lower] + most[upper]) / 2, True)
    if middle.spent == inf:
        middle = CostToTarget((least[lower].spent + least[upper].spent) / 2, False)
    last = most[runs - 1 - below]
    return Costs(
        median=middle,
        low=least[below],
        high=CostToTarget(least[-1].spent, False) if last == inf else CostToTarget(last, True),
        coverage=coverage(runs, below),
        reached=sum(cost.reached for cost in found),
        runs=runs,
    )


def coverage(runs: int, below: int) -> float:
    """Chance that the median lies between order statistics `below` from either end of so many runs."""
    return 1 - 2 * sum(comb(runs, i) for i in range(below + 1)) / 2**runs if runs > 1 else 0.0


def area(curve: Sequence[Point], first: float, last: float) -> float | None:
    """Mean accuracy while the spending goes from `first` to `last`, straight between evaluations.

    None where the curve does not cover that range, or the range is empty. Of evaluations at equal spending the later
    counts.
    """
    points = list({point.spent: point for point in curve}.values())
    if last <= first or not points or points[0].spent > first or points[-1].spent < last:
        return None
    total = 0.0
    for before, after in pairwise(points):
        low, high = max(first, before.spent), min(last, after.spent)
        if high > low:
            total += (high - low) * (_at(before, after, low) + _at(before, after, high)) / 2
    return total / (last - first)


def _at(before: Point, after: Point, spent: float) -> float:
    share = (spent - before.spent) / (after.spent - before.spent)
    return before.accuracy + share * (after.accuracy - before.accuracy)
