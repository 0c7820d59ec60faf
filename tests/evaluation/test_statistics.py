"""Means and intervals against closed forms, SciPy, exhaustive enumeration and numbers worked out by hand."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.statistics import Interval


@given(
    st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))
)
def test_pass_at_k_is_the_share_of_k_subsets_with_a_correct_one(case: tuple[int, int, int]) -> None:
    samples, correct, k = case
    subsets = list(combinations([True] * correct + [False] * (samples - correct), k))
    assert statistics.pass_at_k(correct, samples, k) == pytest.approx(
        sum(map(any, subsets)) / len(subsets)
    )


def test_pass_at_k_is_exact_for_many_samples() -> None:
    assert statistics.pass_at_k(1, 1024, 512) == 0.5


@pytest.mark.parametrize(("correct", "samples", "k"), [(1, 4, 5), (5, 4, 1), (1, 4, 0)])
def test_pass_at_k_refuses_what_cannot_be(correct: int, samples: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k} of {correct} correct in {samples} samples"):
        statistics.pass_at_k(correct, samples, k)


def test_wilson_as_published() -> None:
    """81 of 263, the example of Newcombe (1998), Statistics in Medicine 17, table I, method 3."""
    assert statistics.wilson(81, 263) == Interval(
        pytest.approx(0.3080, abs=5e-5),
        pytest.approx(0.2553, abs=5e-5),
        pytest.approx(0.3662, abs=5e-5),
    )


def test_wilson_of_no_success_ends_at_z_square_over_n_plus_z_square() -> None:
    square = statistics.Z**2
    assert statistics.wilson(0, 30) == Interval(0, 0, pytest.approx(square / (30 + square)))


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_bounds_solve_the_score_equation(case: tuple[int, int]) -> None:
    successes, trials = case
    interval = statistics.wilson(successes, trials)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    for bound in (interval.low, interval.high):
        distance = abs(interval.value - bound)
        assert distance == pytest.approx(
            statistics.Z * math.sqrt(bound * (1 - bound) / trials), abs=1e-6
        )


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (3, 4), (81, 263), (30, 30)])
def test_wilson_is_that_of_scipy(successes: int, trials: int) -> None:
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    interval = statistics.wilson(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_bootstrap_of_a_coin_is_close_to_the_normal_interval() -> None:
    interval = statistics.bootstrap_mean([0.0, 1.0] * 200, seed=3)
    half = statistics.Z * 0.5 / math.sqrt(400)
    assert interval.value == 0.5
    assert interval.low == pytest.approx(0.5 - half, abs=0.006)
    assert interval.high == pytest.approx(0.5 + half, abs=0.006)


def test_the_bootstrap_draws_whole_questions() -> None:
    """Three questions have 27 equally likely draws: the extremes have 1/27 each, more than 2.5 %."""
    interval = statistics.bootstrap_mean([0.0, 0.25, 1.0])
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_a_seed_decides_the_draws() -> None:
    values = np.random.default_rng(0).random(50).tolist()
    assert statistics.bootstrap_mean(values, 1) == statistics.bootstrap_mean(values, 1)
    assert statistics.bootstrap_mean(values, 1) != statistics.bootstrap_mean(values, 2)


def test_large_sets_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(50).tolist()
    whole = statistics.bootstrap_mean(values)
    monkeypatch.setattr(statistics, "_CELLS", 120)
    blocks = statistics.bootstrap_mean(values)
    assert blocks.low == pytest.approx(whole.low, abs=0.01)
    assert blocks.high == pytest.approx(whole.high, abs=0.01)


@pytest.mark.parametrize(
    ("value", "successes"), [(0.0, 0), (1.0, 30)], ids=["none correct", "all correct"]
)
def test_agreeing_questions_have_the_width_of_wilson(value: float, successes: int) -> None:
    wilson = statistics.wilson(successes, 30)
    interval = statistics.bootstrap_mean([value] * 30)
    assert interval.value == value
    assert interval.low == pytest.approx(wilson.low)
    assert interval.high == pytest.approx(wilson.high)


def test_a_difference_is_taken_question_by_question() -> None:
    before, after = [0.0, 1.0] * 50, [0.25, 1.0] * 50
    interval = statistics.paired_difference(before, after)
    assert interval.value == 0.125
    assert interval.low > 0.09  # unpaired, half a coin's width of 0.1 would reach below 0.03


def test_no_change_at_all_is_no_certainty_of_none() -> None:
    unseen = statistics.wilson(0, 10).high
    assert statistics.paired_difference([0.0] * 10, [0.0] * 10) == Interval(0, -unseen, unseen)


def test_a_difference_needs_the_same_questions() -> None:
    with pytest.raises(ValueError, match="1 questions before, 2 after"):
        statistics.paired_difference([0.0], [0.0, 1.0])


def test_three_changes_the_same_way_may_be_chance() -> None:
    """McNemar's exact test of 3 to 0: 2 / 2^3."""
    assert statistics.chance_of_change([0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]) == 0.25


def test_no_change_is_chance() -> None:
    assert statistics.chance_of_change([0.5, 1.0], [0.5, 1.0]) == 1


@pytest.mark.parametrize(("worse", "better"), [(2, 10), (5, 20)], ids=["exact", "drawn"])
def test_the_chance_of_a_change_is_that_of_mcnemar(worse: int, better: int) -> None:
    """Twice the binomial tail."""
    flips = worse + better
    tail = sum(math.comb(flips, k) for k in range(worse + 1)) / 2**flips
    before, after = [1.0] * worse + [0.0] * better, [0.0] * worse + [1.0] * better
    assert statistics.chance_of_change(before, after) == pytest.approx(2 * tail, abs=0.003)


@pytest.mark.parametrize("changed", [3, 12, 40])
def test_the_chance_of_a_change_is_that_of_scipys_permutations(changed: int) -> None:
    """Changes of several sizes; exact up to 12 questions, and else within what 10,000 draws leave open."""
    change = np.random.default_rng(changed).choice([-0.5, -0.125, 0.25, 1.0], changed)
    expected = stats.permutation_test(
        (change,), np.sum, permutation_type="samples", vectorized=True, n_resamples=10_000, rng=1
    )
    found = statistics.chance_of_change([0.0] * changed, change.tolist())
    assert found == pytest.approx(float(expected.pvalue), abs=1e-12 if changed <= 12 else 0.02)


@pytest.mark.parametrize(("worse", "better"), [(0, 30), (5, 20), (700, 800), (4, 4)])
def test_the_chance_of_yes_or_no_changes_is_exact_however_many(worse: int, better: int) -> None:
    before, after = [1.0] * worse + [0.0] * better, [0.0] * worse + [1.0] * better
    expected = stats.binomtest(worse, worse + better).pvalue
    assert statistics.chance_of_change(before, after) == pytest.approx(float(expected), rel=1e-9)


def test_a_drawn_chance_is_never_zero() -> None:
    """Thirty changes one way, of two sizes: no flip of 10,000 is as large, and the change itself counts as one."""
    assert statistics.chance_of_change([0.0] * 30, [1.0, 0.5] * 15) == 1 / 10_001


@pytest.mark.parametrize("changed", range(2, 12))
def test_the_interval_of_a_change_holds_0_where_the_test_calls_it_chance(changed: int) -> None:
    """So many questions gained of 40, none lost: a bootstrap alone is sure from four on."""
    before, after = [0.0] * 40, [1.0] * changed + [0.0] * (40 - changed)
    interval = statistics.paired_difference(before, after)
    assert (interval.low > 0) == (2 / 2**changed <= 0.05)


def test_thirty_questions_are_few() -> None:
    assert statistics.noise(30) == pytest.approx(0.179, abs=5e-4)


def test_intervals_that_touch_overlap() -> None:
    middle = Interval(0.5, 0.4, 0.6)
    assert middle.overlaps(Interval(0.7, 0.6, 0.8))
    assert not middle.overlaps(Interval(0.8, 0.7, 0.9))
