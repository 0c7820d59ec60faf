"""Two recipes on the same questions and seeds: their difference, a test of it, and what could have been seen. Pure.

Questions and seeds are both draws from more of their kind. The difference d[seed, question] is taken apart into
effects of seed, of question and the rest (two-way analysis of variance), and the variance of its mean is
(MS_seed + MS_question - MS_rest) / (seeds * questions), with Satterthwaite's degrees of freedom: Clark's quasi F
("The language-as-fixed-effect fallacy", 1973). Unlike a bootstrap it does not take two seeds for all there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import erfc, sqrt

import mpmath
import numpy as np

from hybrid_rl import stats
from hybrid_rl.stats import Array, Interval

LEVEL, POWER = 0.05, 0.8
_NORMAL = 250  # degrees of freedom; a gamma function of more overflows


@dataclass(frozen=True)
class Contrast:
    """Of one recipe against another, paired over seeds and questions."""

    seeds: int
    questions: int
    difference: Interval
    p: float
    """Two-sided, of this comparison alone."""
    detectable: float | None
    """The smallest true difference that a study like this finds with 80 % power; None: no variance was seen."""
    p_corrected: float
    """After Holm, over all comparisons of the family; `p` where there is one."""

    @property
    def concluded(self) -> bool:
        """One seed says nothing of a recipe, whatever the questions say."""
        return self.seeds > 1 and self.p_corrected <= LEVEL


def contrast(
    reference: Sequence[Sequence[float]], other: Sequence[Sequence[float]], comparisons: int = 1
) -> Contrast:
    """`other` - `reference`, both `[seed][question]` in one order, values in [0, 1].

    `comparisons`: how many share the error level; `detectable` is at LEVEL / comparisons. With one seed, and where
    the differences have no variance, the test flips signs over questions and the seeds are taken as they are.
    """
    table = np.asarray(other, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise ValueError("a contrast needs the same questions for every seed, and at least one")
    seeds, questions = table.shape
    mean = float(table.mean())
    variance, freedom = _variance_of_mean(table)
    by_question = np.asarray(table.mean(axis=0))
    if variance == 0:
        zeros = [0.0] * questions
        interval = stats.bootstrap_mean(by_question.tolist(), bounds=(-1.0, 1.0))
        p = stats.chance_of_change(zeros, by_question.tolist())
        return Contrast(seeds, questions, interval, p, None, p)
    error = variance**0.5
    half = t_quantile(1 - LEVEL / 2, freedom) * error
    interval = Interval(mean, max(-1.0, mean - half), min(1.0, mean + half))
    p = t_two_sided(mean / error, freedom)
    if seeds == 1:
        p = stats.chance_of_change([0.0] * questions, by_question.tolist())
    needed = t_quantile(1 - LEVEL / comparisons / 2, freedom) + t_quantile(POWER, freedom)
    return Contrast(seeds, questions, interval, p, needed * error, p)


def corrected(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The same with Holm's p-values over all of them (Holm, 1979)."""
    order = sorted(range(len(contrasts)), key=lambda index: contrasts[index].p)
    found = list(contrasts)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(contrasts) - rank) * contrasts[index].p))
        found[index] = replace(contrasts[index], p_corrected=highest)
    return found


def _variance_of_mean(table: Array) -> tuple[float, float]:
    """Of `table[seed, question]`, with its degrees of freedom; never below what seeds or questions alone show."""
    seeds, questions = table.shape
    size, mean = table.size, table.mean()
    by_seed, by_question = table.mean(axis=1), table.mean(axis=0)
    if questions == 1 and seeds == 1:
        return 0.0, 1.0
    if seeds == 1 or questions == 1:
        values = by_question if seeds == 1 else by_seed
        return float(values.var(ddof=1)) / values.size, float(values.size - 1)
    rest = table - by_seed[:, None] - by_question[None, :] + mean
    freedoms = (seeds - 1, questions - 1, (seeds - 1) * (questions - 1))
    ms_seed = questions * float(by_seed.var(ddof=1))
    ms_question = seeds * float(by_question.var(ddof=1))
    ms_rest = float((rest**2).sum()) / freedoms[2]
    # Rounding leaves crumbs where every difference is the same.
    if max(ms_seed, ms_question, ms_rest) < 1e-20:
        return 0.0, 1.0
    both = ms_seed + ms_question - ms_rest
    alone, freedom = max((ms_seed, float(freedoms[0])), (ms_question, float(freedoms[1])))
    if both <= alone:
        return alone / size, freedom
    spread = sum(ms**2 / f for ms, f in zip((ms_seed, ms_question, ms_rest), freedoms, strict=True))
    return both / size, max(1.0, both**2 / spread)


def t_two_sided(value: float, freedom: float) -> float:
    """Chance of a value of Student's t at least so far from 0; above 250 degrees of freedom, of a normal one."""
    if freedom > _NORMAL:
        return erfc(abs(value) / sqrt(2))
    share = freedom / (freedom + value * value)
    return float(mpmath.fp.betainc(freedom / 2, 0.5, 0, share, regularized=True))


@lru_cache(maxsize=256)
def t_quantile(chance: float, freedom: float) -> float:
    """Of Student's t, for a chance of at least one half; by bisection, to 1e-7."""
    low, high = 0.0, 1.0
    while t_two_sided(high, freedom) / 2 > 1 - chance:
        low, high = high, 2 * high
    while high - low > 1e-7 * high:
        middle = (low + high) / 2
        if t_two_sided(middle, freedom) / 2 > 1 - chance:
            low = middle
        else:
            high = middle
    return high
