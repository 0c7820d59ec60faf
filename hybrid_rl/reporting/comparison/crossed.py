"""How sure a mean over seeds and questions is, where both are draws from more of their kind. It knows numbers alone.

A table[seed, question] is taken apart into effects of seed, of question and the rest (two-way analysis of variance).
The variance of its mean is (MS_seed + MS_question - MS_rest) / (seeds * questions), with Satterthwaite's degrees of
freedom: Clark's quasi F ("The language-as-fixed-effect fallacy", 1973). Two or three seeds may agree by chance and then
look as if they did not vary, so no mean is called surer than a t-test over the seeds alone calls it. A bootstrap over
seeds and questions sees only (S - 1) / S of the variance between S seeds: where seeds vary, its 95 % intervals of two
or three hold the truth in 76 to 90 % of studies, and these in 94 to 99 % (simulated in the tests).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import special

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.statistics import Array, Interval

_CRUMBS = 1e-20  # a smaller variance is rounding


@dataclass(frozen=True)
class Variance:
    """The estimated variance of a mean, and the degrees of freedom of that estimate."""

    value: float
    freedom: float

    def __add__(self, other: "Variance") -> "Variance":
        """The variance of a sum of what is independent, with Satterthwaite's degrees of freedom (Welch, 1938)."""
        value = self.value + other.value
        spread = self.value**2 / self.freedom + other.value**2 / other.freedom
        return Variance(value, value**2 / spread if spread > 0 else self.freedom + other.freedom)


@dataclass(frozen=True)
class Parts:
    """The mean squares of a table, each divided by its number of cells: what they add to the variance of its mean."""

    seeds: Variance | None
    """None with one seed: how seeds differ is not known."""
    questions: Variance | None
    rest: Variance | None


def parts(table: Array) -> Parts:
    """The analysis of variance of `table[seed, question]`; a part that needs two seeds or questions may be None."""
    seeds, questions = table.shape
    by_seed, by_question = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_seed[:, None] - by_question[None, :] + table.mean()
    freedom = (seeds - 1) * (questions - 1)
    return Parts(
        _of_means(by_seed),
        _of_means(by_question),
        Variance(float((rest**2).sum()) / freedom / table.size, freedom) if freedom else None,
    )


def variances(found: Parts) -> list[Variance]:
    """The variances against which a mean is held, and the surest of which does not count: of both effects, of seeds.

    It is empty where nothing varies. With one seed it is that of the questions alone.
    """
    known = [part for part in (found.seeds, found.questions) if part is not None]
    candidates = [found.seeds] if found.seeds is not None else []
    if known:
        largest = max(known, key=lambda part: part.value)
        candidates.append(largest)
        if len(known) == 2 and found.rest is not None:
            both = sum(part.value for part in known) - found.rest.value
            if both > largest.value:  # never below what seeds or questions alone show
                spread = sum(part.value**2 / part.freedom for part in (*known, found.rest))
                candidates[-1] = Variance(both, max(1.0, both**2 / spread))
    return [one for one in candidates if one.value > _CRUMBS]


def half_width(found: Sequence[Variance], level: float) -> float:
    """How far a mean may be from the truth: in all but a share `level` of studies, half of it on each side."""
    return max(t_quantile(1 - level / 2, one.freedom) * sqrt(one.value) for one in found)


def p_value(mean: float, found: Sequence[Variance]) -> float:
    """The two-sided p-value of a mean that would be 0; it is at most a level where `half_width` is at most |mean|."""
    return max(t_two_sided(mean / sqrt(one.value), one.freedom) for one in found)


def detectable(found: Sequence[Variance], level: float, power: float) -> float:
    """The smallest true mean that studies like this find with probability `power` at this two-sided level.

    Under a true mean the statistic is a noncentral t, whose noncentrality is the mean in standard errors. The sum of
    two quantiles of the central t, which is often taken, has less power: 73 to 77 % where 80 % is asked for.
    """
    return max(noncentrality(one.freedom, level, power) * sqrt(one.value) for one in found)


def interval(table: Sequence[Sequence[float]], seed: int = 0) -> Interval:
    """The mean of accuracies `table[seed][question]` with its 95 % interval, cut to [0, 1].

    With one seed, and where all seeds agree on every question, it is the bootstrap over questions, which does not know
    how seeds differ. Raises ValueError where there is no question, or the seeds do not have the same questions.
    """
    values = checked(table)
    found = variances(parts(values))
    if len(values) == 1 or not found:
        return statistics.bootstrap_mean(values[0].tolist(), seed)
    mean, half = float(values.mean()), half_width(found, 0.05)
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half))


def checked(table: Sequence[Sequence[float]]) -> Array:
    """The table as an array. Raises ValueError where its seeds do not have the same questions, or it is empty."""
    lengths = {len(row) for row in table}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError("every seed needs the same questions, and at least one")
    return np.asarray(table, dtype=np.float64)


def _of_means(means: Array) -> Variance | None:
    """The variance of the mean of these means, from how they differ; None for a single one."""
    if means.size < 2:
        return None
    return Variance(float(means.var(ddof=1)) / means.size, means.size - 1.0)


def t_two_sided(value: float, freedom: float) -> float:
    """The chance that Student's t with `freedom` degrees of freedom is at least as far from 0 as `value`."""
    return 2 * float(special.stdtr(freedom, -abs(value)))


def t_quantile(chance: float, freedom: float) -> float:
    """The value that Student's t with `freedom` degrees of freedom stays below with probability `chance`."""
    return float(special.stdtrit(freedom, chance))


def noncentrality(freedom: float, level: float, power: float) -> float:
    """The noncentrality at which |t| is beyond its two-sided bound at `level` with probability `power`, on its side."""
    return float(special.nctdtrinc(freedom, 1 - power, t_quantile(1 - level / 2, freedom)))
