"""The difference between two recipes on the same questions and seeds: its size, a test of it, and what could be found.

This file knows accuracies and no runs. Questions and seeds are both draws from more of their kind. The difference
d[seed, question] is taken apart into effects of seed, of question and the rest (two-way analysis of variance). The
variance of its mean is (MS_seed + MS_question - MS_rest) / (seeds * questions), with Satterthwaite's degrees of
freedom: Clark's quasi F ("The language-as-fixed-effect fallacy", 1973). Two or three seeds may agree by chance and then
look as if they did not vary. So no difference is called surer than a t-test over the seeds alone calls it. About 5 % of
studies without a difference are then said to have one. Quasi F alone erred in up to 12 % with two seeds and 8 % with
three.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.statistics import Array, Interval

LEVEL, POWER = 0.05, 0.8
_CRUMBS = 1e-20  # a smaller variance is rounding


@dataclass(frozen=True)
class Contrast:
    """One recipe against another, paired over seeds and questions."""

    seeds: int
    questions: int
    difference: Interval
    p: float
    """The two-sided p-value of this comparison alone."""
    detectable: float | None
    """The smallest true difference that a study like this finds with 80 % power; None where no variance was seen."""
    p_corrected: float
    """The p-value after Holm's correction for all comparisons of the family; `p` where there is only one."""

    @property
    def concluded(self) -> bool:
        """Whether the difference is more than chance; never with one seed, which tells nothing about another."""
        return self.seeds > 1 and self.p_corrected <= LEVEL


def contrast(
    reference: Sequence[Sequence[float]], other: Sequence[Sequence[float]], comparisons: int = 1
) -> Contrast:
    """The difference `other` - `reference`; both are `[seed][question]` in one order, with values in [0, 1].

    `comparisons` says how many share the error level: `detectable` is taken at LEVEL / comparisons. With one seed, and
    where the differences have no variance, the test flips signs over questions and the seeds are taken as they are.
    Raises ValueError where there is no question, or the seeds do not have the same questions.
    """
    table = np.asarray(other, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise ValueError("a contrast needs the same questions for every seed, and at least one")
    seeds, questions = table.shape
    mean = float(table.mean())
    errors = [error for error in (_crossed(table), _over_seeds(table)) if error.size > 0]
    by_question: list[float] = table.mean(axis=0).tolist()
    if not errors:
        interval = statistics.bootstrap_mean(by_question, bounds=(-1.0, 1.0))
        p = statistics.chance_of_change([0.0] * questions, by_question)
        return Contrast(seeds, questions, interval, p, None, p)
    half = max(t_quantile(1 - LEVEL / 2, e.freedom) * e.size for e in errors)
    interval = Interval(mean, max(-1.0, mean - half), min(1.0, mean + half))
    p = max(t_two_sided(mean / error.size, error.freedom) for error in errors)
    if seeds == 1:  # exact over questions; a t-test would call changes of a handful of them sure
        p = statistics.chance_of_change([0.0] * questions, by_question)
    sure = 1 - LEVEL / comparisons / 2
    needed = max(
        (t_quantile(sure, e.freedom) + t_quantile(POWER, e.freedom)) * e.size for e in errors
    )
    return Contrast(seeds, questions, interval, p, needed, p)


def corrected(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The same contrasts with `p_corrected` set by Holm's method over all of them (Holm, 1979).

    Written by hand: SciPy has no Holm (its `false_discovery_control` bounds another error), and statsmodels, which has
    it, would bring pandas for six lines.
    """
    order = sorted(range(len(contrasts)), key=lambda index: contrasts[index].p)
    found = list(contrasts)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(contrasts) - rank) * contrasts[index].p))
        found[index] = replace(contrasts[index], p_corrected=highest)
    return found


@dataclass(frozen=True)
class _Error:
    """The standard error of a mean, and its degrees of freedom."""

    size: float
    freedom: float


def _over_seeds(table: Array) -> _Error:
    """The error of the mean over the means of the seeds; 0 where there is one seed."""
    seeds = table.shape[0]
    variance = float(table.mean(axis=1).var(ddof=1)) if seeds > 1 else 0.0
    # Rounding leaves crumbs where all seeds are the same.
    return _Error((variance / seeds) ** 0.5 if variance > _CRUMBS else 0.0, max(1.0, seeds - 1.0))


def _crossed(table: Array) -> _Error:
    """The error of the mean of `table[seed, question]`; never below what seeds or questions alone show."""
    seeds, questions = table.shape
    size, mean = table.size, table.mean()
    by_seed, by_question = table.mean(axis=1), table.mean(axis=0)
    if questions == 1 and seeds == 1:
        return _Error(0.0, 1.0)
    if seeds == 1 or questions == 1:
        values = by_question if seeds == 1 else by_seed
        return _Error(float(values.var(ddof=1) / values.size) ** 0.5, float(values.size - 1))
    rest = table - by_seed[:, None] - by_question[None, :] + mean
    freedoms = (seeds - 1, questions - 1, (seeds - 1) * (questions - 1))
    ms_seed = questions * float(by_seed.var(ddof=1))
    ms_question = seeds * float(by_question.var(ddof=1))
    ms_rest = float((rest**2).sum()) / freedoms[2]
    if max(ms_seed, ms_question, ms_rest) < _CRUMBS:
        return _Error(0.0, 1.0)
    both = ms_seed + ms_question - ms_rest
    alone, freedom = max((ms_seed, float(freedoms[0])), (ms_question, float(freedoms[1])))
    if both <= alone:
        return _Error((alone / size) ** 0.5, freedom)
    spread = sum(ms**2 / f for ms, f in zip((ms_seed, ms_question, ms_rest), freedoms, strict=True))
    return _Error((both / size) ** 0.5, max(1.0, both**2 / spread))


def t_two_sided(value: float, freedom: float) -> float:
    """The chance that Student's t with `freedom` degrees of freedom is at least as far from 0 as `value`."""
    return 2 * float(special.stdtr(freedom, -abs(value)))


def t_quantile(chance: float, freedom: float) -> float:
    """The value that Student's t with `freedom` degrees of freedom stays below with probability `chance`."""
    return float(special.stdtrit(freedom, chance))
