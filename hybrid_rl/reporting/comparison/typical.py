"""What a typical run of a recipe does, beside the mean over all: interquartile mean and probability of improvement.

Both are habits of the literature since Agarwal and others ("Deep reinforcement learning at the edge of the statistical
precipice", 2021; their library is rliable). There the unit is a run on a task. Here it is a run on a set of questions,
so one set is one task, and the score of a run is its mean over the set. Single answers are no unit: they are right or
wrong, and of such values the middle half is all right or all wrong. Where rliable draws runs with replacement, both
intervals here are formulas, since a bootstrap of a handful of runs is too narrow.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy import optimize

from hybrid_rl.evaluation.statistics import Array, Interval, Z
from hybrid_rl.reporting.comparison import crossed
from hybrid_rl.reporting.comparison.crossed import Variance

_CUT = 0.25  # of the runs at either end
_BESIDE = 1e-9
FEWEST = 4
"""With fewer runs no run is cut, and the interquartile mean is the mean."""


def interquartile_mean(table: Sequence[Sequence[float]]) -> Interval | None:
    """The mean of the middle half of the runs in `table[run][question]`, with its 95 % interval, cut to [0, 1].

    As in rliable and `scipy.stats.trim_mean`, a quarter of the runs, rounded down, is cut at each end. The variance
    between runs is that of Tukey and McLaughlin (1963), from the runs with the cut ones moved to the nearest that is
    left; what the choice of questions adds is taken from the analysis of variance. None with fewer than four runs.
    """
    values = crossed.checked(table)
    runs = len(values)
    if runs < FEWEST:
        return None
    scores = np.sort(values.mean(axis=1))
    cut = int(_CUT * runs)
    middle = scores[cut : runs - cut]
    moved = np.clip(scores, middle[0], middle[-1])
    between = Variance(float(moved.var(ddof=1)) / (1 - 2 * _CUT) ** 2 / runs, middle.size - 1.0)
    # As for means: never surer than the runs alone make it.
    found = [one for one in (between, between + _of_questions(values)) if one.value > 0]
    mean, half = float(middle.mean()), crossed.half_width(found, 0.05) if found else 0.0
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half))


def _of_questions(values: Array) -> Variance:
    """What the choice of questions adds to the variance of a mean: MS_question - MS_rest, where that is above 0."""
    found = crossed.parts(values)
    if found.questions is None or found.rest is None:
        return Variance(0.0, 1.0)
    return Variance(max(0.0, found.questions.value - found.rest.value), found.questions.freedom)


def probability_of_improvement(
    reference: Sequence[Sequence[float]], other: Sequence[Sequence[float]]
) -> Interval:
    """The chance that a run of `other` scores above a run of `reference` on these questions; ties count half.

    It is the share of pairs of runs (Mann and Whitney's U). The 95 % interval is that of Newcombe ("Confidence
    intervals for an effect size measure based on the Mann-Whitney statistic", 2006, method 5): the values that differ
    from the share by at most 1.96 of the standard errors that they imply. It has a width where all pairs agree.
    """
    first, second = (crossed.checked(table).mean(axis=1) for table in (reference, other))
    gaps = second[:, None] - first[None, :]
    # Means of the same answers may differ by rounding alone.
    found = float((gaps > 1e-9).mean() + (np.abs(gaps) <= 1e-9).mean() / 2)
    pairs, more = gaps.size, (len(first) + len(second)) / 2 - 1

    def beyond(value: float) -> float:
        """The distance of `found` beyond what is expected if the chance is `value`; negative where it is expected."""
        spread = 1 + more * ((1 - value) / (2 - value) + value / (1 + value))
        return abs(found - value) - Z * sqrt(value * (1 - value) * spread / pairs)

    # 0 and 1 imply no error at all, so the search begins beside them.
    low = optimize.brentq(beyond, 0.0, min(found, 1 - _BESIDE)) if found > 0 else 0.0
    high = optimize.brentq(beyond, max(found, _BESIDE), 1.0) if found < 1 else 1.0
    return Interval(found, float(low), float(high))
