"""Accuracy against spending: the cost of reaching a target, and the area under a curve. This file knows no run.

A curve is the evaluations of one run in the order of training; x is what was spent so far on one budget axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb, inf
from statistics import fmean


@dataclass(frozen=True)
class Point:
    """One evaluation: what was spent before it, and the accuracy that it found."""

    spent: float
    accuracy: float


@dataclass(frozen=True)
class MeanPoint:
    """The mean accuracy of runs that have spent as much as each other, and that of the lowest and of the highest."""

    spent: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class CostToTarget:
    """What one run spent until it was first seen at the target, or until its last evaluation if it never was."""

    spent: float
    reached: bool


@dataclass(frozen=True)
class Costs:
    """The median cost over all runs of an arm, between the costs of two of them."""

    median: CostToTarget
    low: CostToTarget
    high: CostToTarget
    reached: int
    runs: int


def cost_of(curve: Sequence[Point], target: float) -> CostToTarget:
    """The spending at the first of two evaluations in a row at `target` or above, not interpolated; else at the last.

    One alone is often chance: of many evaluations of a run that stays just below the target, some are above it.
    """
    for point, following in pairwise(curve):
        if min(point.accuracy, following.accuracy) >= target:
            return CostToTarget(point.spent, True)
    return CostToTarget(curve[-1].spent, False)


def costs(found: Sequence[CostToTarget]) -> Costs:
    """The median with a distribution-free interval: the innermost order statistics that hold it in 95 % of cases.

    Where even the lowest and the highest run hold it less often, the interval goes from one to the other. SciPy has no
    such interval (`scipy.stats.quantile_test` knows no run that ended early).

    A run that was never seen at the target would have cost something between its last evaluation and infinity. The
    lower end takes the former. The upper end and the median take infinity, so that they are never too low. Where the
    median becomes infinite, it is told as "more than" the median that the last evaluations give. Where the upper end
    becomes infinite, it shows how much the run that was followed longest had spent. Raises ValueError without a run.
    """
    if not found:
        raise ValueError("no run to take a cost of")
    runs = len(found)
    least = sorted(found, key=lambda cost: (cost.spent, not cost.reached))
    most = sorted(cost.spent if cost.reached else inf for cost in found)
    below = 0  # how many runs lie outside the interval on either side
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
        reached=sum(cost.reached for cost in found),
        runs=runs,
    )


def coverage(runs: int, below: int) -> float:
    """The chance that the median lies between the order statistics that are `below` from either end of `runs`."""
    return 1 - 2 * sum(comb(runs, i) for i in range(below + 1)) / 2**runs if runs > 1 else 0.0


def area(curve: Sequence[Point], first: float, last: float) -> float | None:
    """The mean accuracy while the spending goes from `first` to `last`, on straight lines between evaluations.

    It is None where the curve does not cover that range, or the range is empty. Where two evaluations have the same
    spending, the later counts.
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


def mean_curve(curves: Sequence[Sequence[Point]]) -> list[MeanPoint]:
    """The mean of several curves over the range that all of them cover, on straight lines between evaluations.

    It has a point wherever one of them was evaluated, so that runs may be evaluated at different times. It is empty
    where they have no range in common. Where two evaluations have the same spending, the later counts.
    """
    every = [list({point.spent: point for point in curve}.values()) for curve in curves]
    if not every or not all(every):
        return []
    first, last = max(one[0].spent for one in every), min(one[-1].spent for one in every)
    found = []
    for spent in sorted({point.spent for one in every for point in one}):
        if first <= spent <= last:
            values = [_accuracy(one, spent) for one in every]
            found.append(MeanPoint(spent, fmean(values), min(values), max(values)))
    return found


def _accuracy(curve: Sequence[Point], spent: float) -> float:
    """The accuracy at a spending that the curve covers."""
    for before, after in pairwise(curve):
        if before.spent <= spent <= after.spent:
            return _at(before, after, spent)
    return curve[0].accuracy  # it is one point


def _at(before: Point, after: Point, spent: float) -> float:
    """The accuracy on the straight line between two evaluations."""
    share = (spent - before.spent) / (after.spent - before.spent)
    return before.accuracy + share * (after.accuracy - before.accuracy)
