"""Boundaries of repeated looks, against published tables and against simulations."""

from math import inf

import numpy as np
import pytest
from scipy import stats

from hybrid_rl.reporting.comparison import sequential
from hybrid_rl.reporting.comparison.sequential import Spending

FIFTHS = [0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.mark.parametrize(
    ("bounds", "name"),
    [
        ([4.562, 3.226, 2.634, 2.281, 2.040], "O'Brien and Fleming (1979)"),
        ([2.413, 2.413, 2.413, 2.413, 2.413], "Pocock (1977)"),
    ],
)
def test_the_classic_boundaries_of_five_looks_err_in_5_of_100_studies(
    bounds: list[float], name: str
) -> None:
    """Jennison and Turnbull (2000), tables 2.1 and 2.3: two-sided, alpha = .05."""
    assert sum(sequential.stopping(bounds, FIFTHS)) == pytest.approx(0.05, abs=5e-5), name


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        ("obrien_fleming", [4.877, 3.357, 2.680, 2.290, 2.031]),
        ("pocock", [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
def test_the_boundaries_of_lan_and_demets_are_those_that_were_published(
    spending: Spending, published: list[float]
) -> None:
    """Two-sided, alpha = .05; the tables that the programs ld98 and gsDesign print for five equal looks."""
    found = sequential.boundaries(FIFTHS, 0.05, spending)
    assert found == pytest.approx(published, abs=6e-4)
    spent = np.cumsum(sequential.stopping(found, FIFTHS))
    assert spent == pytest.approx([sequential.spent(t, 0.05, spending) for t in FIFTHS], abs=1e-8)


def test_one_look_at_the_end_is_the_usual_test() -> None:
    assert sequential.boundaries([1.0]) == pytest.approx([1.959964], abs=1e-6)
    assert sequential.t_boundaries([1.0], [4.0]) == pytest.approx([stats.t.ppf(0.975, 4)])
    assert sequential.sequential_p([0.03], [1.0]) == pytest.approx(0.03, rel=1e-4)


def test_a_boundary_does_not_depend_on_later_looks() -> None:
    some, all_of_them = sequential.boundaries([0.3, 0.45]), sequential.boundaries([0.3, 0.45, 1.0])
    assert all_of_them[:2] == some


def test_a_look_with_nothing_to_spend_has_no_boundary() -> None:
    found = sequential.boundaries([0.02, 1.0])
    assert found == [inf, pytest.approx(1.959964, abs=1e-6)]
    assert sequential.t_boundaries([0.02, 1.0], [1, 5]) == [inf, pytest.approx(2.570582, abs=1e-5)]


@pytest.mark.parametrize("drift", [0.0, 2.8])
def test_the_chances_to_stop_are_those_of_simulated_walks(drift: float) -> None:
    """200,000 sums of normal steps, with looks that are not evenly spaced."""
    shares = [0.3, 0.5, 0.9, 1.0]
    steps = np.diff([0.0, *shares])
    generator = np.random.default_rng(5)
    drawn = drift * steps + np.sqrt(steps) * generator.standard_normal((200_000, 4))
    bounds = [2.5, 2.6, 2.1, 2.0]
    beyond = np.abs(drawn.cumsum(axis=1) / np.sqrt(shares)) >= bounds
    first = beyond & (beyond.cumsum(axis=1) == 1)
    assert sequential.stopping(bounds, shares, drift) == pytest.approx(first.mean(axis=0), abs=4e-3)


@pytest.mark.parametrize(("first", "most"), [(2, 6), (3, 6), (3, 12)])
def test_looks_at_a_t_test_after_every_seed_err_little_more_than_they_say(
    first: int, most: int
) -> None:
    """100,000 studies without a difference; their seeds are normal, with a variance that nobody knows."""
    drawn = np.random.default_rng(1).standard_normal((100_000, most))
    seeds = range(first, most + 1)

    def erring(bounds: list[float]) -> float:
        stopped = np.zeros(len(drawn), dtype=bool)
        for n, bound in zip(seeds, bounds, strict=True):
            stopped |= np.abs(stats.ttest_1samp(drawn[:, :n], 0, axis=1).statistic) >= bound
        return float(stopped.mean())

    shares, freedoms = [n / most for n in seeds], [n - 1 for n in seeds]
    assert erring([stats.t.ppf(0.975, freedom) for freedom in freedoms]) > 0.09
    assert 0.05 < erring(sequential.t_boundaries(shares, freedoms, 0.05)) < 0.05 * 1.19
    assert 0.045 < erring(sequential.t_boundaries(shares, freedoms, 0.85 * 0.05)) < 0.051


def test_the_p_value_of_all_looks_is_at_most_alpha_where_one_of_them_has_stopped() -> None:
    shares = [0.5, 1.0]
    early, late = sequential.nominal_levels(shares)
    assert (early, late) == (pytest.approx(0.00305, abs=1e-5), pytest.approx(0.0490, abs=1e-4))
    for p_values in ([early, 0.9], [0.9, late]):
        assert sequential.sequential_p(p_values, shares) == pytest.approx(0.05, rel=2e-4)
    assert sequential.sequential_p([2 * early, 1.1 * late], shares) > 0.051
    assert sequential.sequential_p([1.0, 1.0], shares) == pytest.approx(1.0)


@pytest.mark.parametrize("shares", [[], [0.5, 0.5], [0.0, 1.0], [0.5, 1.1]])
def test_shares_that_do_not_rise_to_1_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="must rise from above 0 to at most 1"):
        sequential.boundaries(shares)
