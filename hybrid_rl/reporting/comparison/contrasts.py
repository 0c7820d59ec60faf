"""The difference between two recipes on the same questions: its size, a test of it, and what could be found.

This file knows accuracies and no runs. Questions are always paired: both recipes answered the same ones. Seeds are not.
A seed decides what a run draws, and two recipes that share one soon draw different things; where their accuracies then
do not go up and down together, pairing brings nothing and costs half of the degrees of freedom (with 3 seeds and no
correlation, power .54 instead of .68). The rule was chosen before the studies that it serves, from runs of two variants
of BREAD, which begin alike as few recipes do. Over six seeds on each of two pools of questions, greedy accuracies
correlate by .5 and -.15, sampled ones by -.1 and -.2. Seeds that do go together make a difference look less sure than
it is, never surer. `seed_correlation` measures it on every study, and `contrast` with `pairing="seeds and questions"`
is the other rule.

Variances are not pooled over recipes: where one varies more than another, a pooled test errs in up to a fifth of
studies without a difference. `crossed` has the formulas.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import correlation
from typing import Literal

import numpy as np

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.statistics import Array, Interval
from hybrid_rl.reporting.comparison import crossed
from hybrid_rl.reporting.comparison.crossed import Parts, Variance

LEVEL, POWER = 0.05, 0.8
Pairing = Literal["questions", "seeds and questions"]
PAIRING: Pairing = "questions"
"""The rule for all comparisons; see above."""


@dataclass(frozen=True)
class Contrast:
    """One recipe against another on the same questions."""

    seeds: int
    """Those of the recipe with fewer."""
    questions: int
    difference: Interval
    """Its 95 % interval, of this comparison alone: 0 is outside exactly where `p` is at most .05."""
    p: float
    """The two-sided p-value of this comparison alone."""
    detectable: float | None
    """The smallest true difference that studies like this find with 80 % power; None where no variance was seen."""
    variances: tuple[Variance, ...] = ()
    """The variances against which the difference is held; none where none was seen."""

    def low(self, level: float, above_0: bool) -> float:
        """The lower end of an interval of this two-sided level; at least 0 where a test found it `above_0`, else below.

        The test decides, not this formula: an exact test, or one whose level several arms share, may be stricter.
        """
        bound = max(-1.0, self.difference.value - self._half_width(level))
        return max(bound, 0.0) if above_0 else min(bound, 0.0)

    def high(self, level: float, below_0: bool) -> float:
        """The upper end of an interval of this two-sided level; at most 0 where a test found it `below_0`."""
        bound = min(1.0, self.difference.value + self._half_width(level))
        return min(bound, 0.0) if below_0 else max(bound, 0.0)

    def _half_width(self, level: float) -> float:
        """How far the difference may be from the truth in all but a share `level` of studies."""
        if self.variances:
            return crossed.half_width(self.variances, level)
        # Where all questions agree, as many of another kind may have been missed as Wilson's interval allows.
        square = crossed.t_quantile(1 - level / 2, inf) ** 2
        return square / (self.questions + square) * (1 + abs(self.difference.value))


def contrast(
    reference: Sequence[Sequence[float]],
    other: Sequence[Sequence[float]],
    level: float = LEVEL,
    pairing: Pairing = PAIRING,
) -> Contrast:
    """The difference `other` - `reference`; both are `[seed][question]`, the questions in one order, values in [0, 1].

    `detectable` is taken at `level`, the share of the error level that this comparison has. Where a recipe has one
    seed, the seeds of both are taken as they are, and the test is over questions. Raises ValueError where there is no
    question, tables do not have the same questions, or seeds that are to be paired are not equally many.
    """
    first, second = crossed.checked(reference), crossed.checked(other)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{first.shape[1]} questions of the reference, {second.shape[1]} of the other"
        )
    by_question = second.mean(axis=0) - first.mean(axis=0)
    found = crossed.variances(_parts(first, second, pairing))
    seeds, questions = min(len(first), len(second)), by_question.size
    mean = float(by_question.mean())
    p = crossed.p_value(mean, found) if found else 0.0
    if seeds == 1 or not found:  # exact; a t-test would call changes of a handful of questions sure
        p = max(p, statistics.chance_of_change([0.0] * questions, by_question.tolist()))
    needed = crossed.detectable(found, level, POWER) if found else None
    made = Contrast(seeds, questions, Interval(mean, mean, mean), p, needed, tuple(found))
    sure = p <= LEVEL
    low, high = made.low(LEVEL, sure and mean > 0), made.high(LEVEL, sure and mean < 0)
    return replace(made, difference=Interval(mean, low, high))


def _parts(first: Array, second: Array, pairing: Pairing) -> Parts:
    """What seeds, questions and the rest add to the variance of the difference."""
    if pairing == "seeds and questions":
        if len(first) != len(second):
            raise ValueError(f"{len(first)} seeds of the reference, {len(second)} of the other")
        return crossed.parts(second - first)
    own, others = crossed.parts(first), crossed.parts(second)
    questions = crossed.parts((second.mean(axis=0) - first.mean(axis=0))[None, :]).questions
    if own.seeds is None or others.seeds is None:
        return Parts(None, questions, None)
    rest = own.rest + others.rest if own.rest is not None and others.rest is not None else None
    return Parts(own.seeds + others.seeds, questions, rest)


def seed_correlation(
    reference: Sequence[Sequence[float]], other: Sequence[Sequence[float]]
) -> float | None:
    """How the accuracies of two recipes go together over the seeds that they share, from -1 to 1.

    Above 1 / 2 or so, pairing seeds would find more; one study of few seeds cannot tell. None with fewer than three
    seeds, and where a recipe does not vary.
    """
    if len(reference) < 3:
        return None
    means = [crossed.checked(table).mean(axis=1) for table in (reference, other)]
    if min(np.ptp(one) for one in means) < 1e-9:
        return None
    return float(correlation(means[0].tolist(), means[1].tolist()))
