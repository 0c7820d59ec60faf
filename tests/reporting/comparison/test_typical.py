"""Interquartile mean and probability of improvement, against SciPy and simulations."""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting.comparison.typical import interquartile_mean, probability_of_improvement
from tests.fakes import accuracies


def _runs(scores: list[float], questions: int = 3) -> list[list[float]]:
    """Runs that score so on each question."""
    return [[score] * questions for score in scores]


@pytest.mark.parametrize("runs", [4, 6, 9])
def test_the_interquartile_mean_of_runs_is_that_of_scipy(runs: int) -> None:
    scores = np.random.default_rng(runs).uniform(0.45, 0.55, runs).tolist()
    found = interquartile_mean(_runs(scores))
    assert found is not None
    assert found.value == pytest.approx(stats.trim_mean(scores, 0.25))  # as rliable has it
    low, high = stats.mstats.trimmed_mean_ci(scores, (0.25, 0.25))
    assert (found.low, found.high) == pytest.approx((max(0, low), min(1, high)))


def test_one_bad_run_of_six_does_not_move_the_interquartile_mean() -> None:
    found = interquartile_mean(_runs([0.875, 0.898, 0.203, 0.867, 0.844, 0.820]))
    assert found is not None
    assert found.value == pytest.approx((0.875 + 0.867 + 0.844 + 0.820) / 4)


def test_of_three_runs_none_is_cut() -> None:
    assert interquartile_mean(_runs([0.1, 0.2, 0.3])) is None


def test_runs_that_agree_have_the_error_of_their_questions() -> None:
    values = [0.0, 0.25, 1.0, 0.5] * 25
    found = interquartile_mean([values] * 4)
    half = stats.sem(values) * stats.t.ppf(0.975, 99)
    assert found == Interval(
        pytest.approx(0.4375), pytest.approx(0.4375 - half), pytest.approx(0.4375 + half)
    )


@pytest.mark.parametrize(("runs", "spread"), [(4, 0.02), (6, 0.1)])
def test_the_interval_of_an_interquartile_mean_holds_the_truth(runs: int, spread: float) -> None:
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        table = accuracies.answers(generator, accuracies.questions(generator, 64), runs, spread)
        found = interquartile_mean(table)
        held += found is not None and found.low <= 0.5 <= found.high
    assert held / 300 > 0.92


def test_an_improvement_is_as_probable_as_pairs_of_runs_show() -> None:
    """3 x 3 pairs: five above, one equal, three below."""
    first, second = [0.1, 0.4, 0.5], [0.3, 0.4, 0.9]
    found = probability_of_improvement(_runs(first), _runs(second))
    assert found.value == pytest.approx(5.5 / 9)
    u = stats.mannwhitneyu(second, first).statistic
    assert found.value == pytest.approx(u / 9)


def test_the_bounds_of_an_improvement_solve_newcombes_equation() -> None:
    """The interval's ends by a search along a fine grid."""
    first, second = [0.1, 0.4, 0.5, 0.2], [0.3, 0.45, 0.9, 0.15, 0.7]
    found = probability_of_improvement(_runs(first), _runs(second))
    grid = np.linspace(1e-6, 1 - 1e-6, 400_001)
    spread = 1 + 3.5 * ((1 - grid) / (2 - grid) + grid / (1 + grid))
    inside = np.abs(found.value - grid) <= 1.959964 * np.sqrt(grid * (1 - grid) * spread / 20)
    assert (found.low, found.high) == pytest.approx(
        (grid[inside].min(), grid[inside].max()), abs=1e-5
    )


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_where_every_pair_agrees_the_interval_is_not_empty(seeds: int) -> None:
    up = probability_of_improvement(_runs([0.1] * seeds), _runs([0.9] * seeds))
    down = probability_of_improvement(_runs([0.9] * seeds), _runs([0.1] * seeds))
    assert (up.value, up.high) == (1.0, 1.0)
    assert 0.35 < up.low < 0.7
    assert (down.value, down.low, down.high) == (0.0, 0.0, pytest.approx(1 - up.low))


@pytest.mark.parametrize("truth", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("seeds", [3, 6])
def test_the_interval_of_an_improvement_holds_the_truth(seeds: int, truth: float) -> None:
    """Scores of two normal distributions whose means are apart by the normal quantile of the truth times root 2."""
    generator = np.random.default_rng(seeds)
    apart = sqrt(2) * stats.norm.ppf(truth)
    held = 0
    for _ in range(600):
        first, second = generator.standard_normal((2, seeds))
        found = probability_of_improvement(_runs(first.tolist()), _runs((second + apart).tolist()))
        held += found.low <= truth <= found.high
    assert held / 600 > (0.88 if seeds == 3 else 0.92)
