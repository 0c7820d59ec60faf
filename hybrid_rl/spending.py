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
class Cost:
    """What one run spent until it was first seen at the target; or all it spent, without getting there."""

    spent: float
    reached: bool


@dataclass(frozen=True)
class Costs:
    """Of all runs of an arm: their median between two of them."""

    median: Cost
    low: Cost
    high: Cost
    coverage: float
    """Chance that [low, high] holds the median of all seeds; of few runs even the whole range holds it seldom."""
    reached: int
    runs: int


def cost_of(curve: Sequence[Point], target: float, spent: float) -> Cost:
    """The first evaluation at `target` or above, not interpolated. `spent`: what the run spent in all."""
    for point in curve:
        if point.accuracy >= target:
            return Cost(point.spent, True)
    return Cost(spent, False)


def costs(found: Sequence[Cost]) -> Costs:
    """Median and distribution-free interval: the order statistics nearest the middle that hold it in 95 % of cases, or
    all runs where even those do not. A run that never arrived counts as later than all it spent; where it decides, the
    bound is the least that such runs spent.
    """
    if not found:
        raise ValueError("no run to take a cost of")
    runs = len(found)
    ordered = sorted(cost.spent if cost.reached else inf for cost in found)
    least = min((cost.spent for cost in found if not cost.reached), default=0.0)

    def shown(value: float) -> Cost:
        return Cost(least, False) if value == inf else Cost(value, True)

    middle = (ordered[(runs - 1) // 2] + ordered[runs // 2]) / 2
    below = 0
    while below + 1 < (runs + 1) // 2 and coverage(runs, below + 1) >= 0.95:
        below += 1
    return Costs(
        median=shown(middle),
        low=shown(ordered[below]),
        high=shown(ordered[runs - 1 - below]),
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
