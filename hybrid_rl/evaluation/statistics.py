"""Means of accuracies and how sure one can be of them. This file knows numbers: no run, no file and no model.

All intervals are at 95 %. Bootstraps draw the same numbers for the same seed and number of questions.

What SciPy has too is written out here in NumPy, because the training process loads this file: `scipy.stats` would add
one second and 72 MB to it (measured). The tests compare each such function with SciPy's.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

Z = 1.959963984540054  # the normal distribution holds 95 % between -Z and Z
RESAMPLES = 2000
_EXACT = 12  # changed questions up to which every pattern of signs is tried: 2**12 are quick
_FLIPS = 10_000
_CELLS = 4_000_000  # numbers held at once while resampling, 32 MB

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate between its lower and upper bound."""

    value: float
    low: float
    high: float

    def overlaps(self, other: "Interval") -> bool:
        """Whether some value lies in both intervals."""
        return self.low <= other.high and other.low <= self.high


def wilson(successes: float, trials: int) -> Interval:
    """Wilson's interval of a proportion (1927): inside [0, 1], and not empty at 0 or all successes.

    It is `scipy.stats.binomtest(...).proportion_ci(method="wilson")` in closed form. Raises ValueError without a trial.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    share, square = successes / trials, Z * Z
    centre = (share + square / (2 * trials)) / (1 + square / trials)
    half = math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    half *= Z / (1 + square / trials)
    # Rounding must not push a bound past the estimate, nor past 0 and 1.
    low, high = min(share, centre - half), max(share, centre + half)
    return Interval(share, max(0.0, low), min(1.0, high))


def pass_at_k(correct: int, samples: int, k: int) -> float:
    """The chance that at least one of k of the samples is correct, if the k are drawn without replacement.

    The unbiased estimator of "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374), section 2.1:
    1 - C(samples - correct, k) / C(samples, k). Raises ValueError for counts that cannot be.
    """
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {correct} correct in {samples} samples")
    return 1 - math.comb(samples - correct, k) / math.comb(samples, k)


def bootstrap_mean(
    values: Sequence[float], seed: int = 0, bounds: tuple[float, float] = (0.0, 1.0)
) -> Interval:
    """The mean over questions, between percentiles of the means of questions drawn with replacement.

    A value lies in `bounds`. Where all questions agree a bootstrap has no width. Then the interval assumes that some
    questions of another kind were missed, as many as Wilson's interval allows when none was seen, at either bound.
    `scipy.stats.bootstrap` has the same percentiles, but not this case. Means over several runs are the matter of the
    reports (`hybrid_rl.reporting.comparison.crossed`).
    """
    questions = np.asarray(values, dtype=np.float64)
    if questions.size == 0:
        raise ValueError("no questions to take a mean of")
    mean = float(questions.mean())
    if np.ptp(questions) == 0:
        mean = float(questions[0])
        unseen = wilson(0, questions.size).high
        return Interval(mean, *(mean + unseen * (bound - mean) for bound in bounds))
    generator = np.random.default_rng(seed)
    sums = [counts @ questions for counts in _draws(generator, questions.size)]
    return _percentiles(mean, np.concatenate(sums) / questions.size)


def paired_difference(before: Sequence[float], after: Sequence[float], seed: int = 0) -> Interval:
    """The mean of after - before over the same questions in the same order; values are in [0, 1].

    The interval is the bootstrap's, widened to 0 where `chance_of_change` is above .05: the two must not contradict
    each other, and the bootstrap is too sure of a handful of changed questions.
    """
    if len(before) != len(after):
        raise ValueError(f"{len(before)} questions before, {len(after)} after")
    differences = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    found = bootstrap_mean(differences.tolist(), seed, bounds=(-1.0, 1.0))
    if chance_of_change(before, after, seed) <= 0.05:
        return found
    return Interval(found.value, min(found.low, 0.0), max(found.high, 0.0))


def chance_of_change(before: Sequence[float], after: Sequence[float], seed: int = 0) -> float:
    """The two-sided p-value of the mean change over the same questions, by flipping signs.

    It says how often a change as large comes about if the sign of each question's change is drawn at random. It is
    exact where all changes are of one size, as those of yes-or-no values are (the sign test, here McNemar's exact
    test), and up to 12 changed questions; else it comes from 10,000 draws. It is needed beside the bootstrap, which
    alone calls changes of a handful of questions sure. `scipy.stats.binomtest`, and `scipy.stats.permutation_test` with
    `permutation_type="samples"`, are the same tests.
    """
    differences = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    changed = differences[differences != 0]
    if changed.size and np.ptp(np.abs(changed)) < 1e-9:
        fewer = min(int((changed > 0).sum()), int((changed < 0).sum()))
        tail = sum(math.comb(changed.size, k) for k in range(fewer + 1))
        return min(1.0, float(2 * tail / 2**changed.size))
    if changed.size <= _EXACT:
        signs = np.array(list(product((-1.0, 1.0), repeat=changed.size)))
    else:
        drawn = np.random.default_rng(seed).choice((-1.0, 1.0), size=(_FLIPS, changed.size))
        signs = np.vstack([np.ones(changed.size), drawn])  # the change as it was is one of them
    return float((np.abs(signs @ changed) >= abs(changed.sum()) - 1e-9).mean())


def noise(questions: int) -> float:
    """How far chance alone moves an accuracy on so many questions at worst: 1.96 standard errors at one half."""
    return Z * math.sqrt(0.25 / questions)


def _draws(generator: np.random.Generator, size: int) -> Iterator[Array]:
    """Yields how often each of `size` things is drawn, a row per resample, in blocks that fit in memory."""
    block = max(1, _CELLS // size)
    for start in range(0, RESAMPLES, block):
        yield _counts(generator, min(block, RESAMPLES - start), size)


def _counts(generator: np.random.Generator, rows: int, size: int) -> Array:
    """Returns `(rows, size)` counts: every row draws `size` times from `size` things."""
    # One bincount for all rows: each row counts in a range of its own.
    drawn = generator.integers(size, size=(rows, size)) + np.arange(rows)[:, None] * size
    return np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size).astype(np.float64)


def _percentiles(value: float, means: Array) -> Interval:
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(value, min(float(low), value), max(float(high), value))
