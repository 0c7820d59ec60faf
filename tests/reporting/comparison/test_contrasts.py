"""Differences between recipes: numbers worked out by hand or by a second, simpler way."""

import random
from fractions import Fraction
from itertools import product
from statistics import mean

import numpy as np
import pytest

from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting.comparison import contrasts
from hybrid_rl.reporting.comparison.contrasts import Contrast, contrast, corrected


@pytest.mark.parametrize(
    ("chance", "freedom", "value"),
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 10, 2.228),
        (0.8, 5, 0.920),
        (0.975, 1e6, 1.960),
    ],
)
def test_quantiles_of_t_are_those_of_the_printed_tables(
    chance: float, freedom: float, value: float
) -> None:
    assert contrasts.t_quantile(chance, freedom) == pytest.approx(value, abs=6e-4)


# Value, degrees of freedom, two-sided p: made with mpmath's incomplete beta function at 50 digits.
T_VALUES = [
    (0.5, 1, 0.704832764699133),
    (12.7, 1, 0.0500243276893442),
    (4.3, 2, 0.0500571541170916),
    (3.2, 2.7, 0.0570781558446298),
    (2.2, 10, 0.0524410684493532),
    (1.5, 39.4, 0.141585723245288),
    (1.97, 250, 0.0499421259923559),
    (1.97, 251, 0.0499377216804265),
    (3.1, 2000, 0.00196217231444436),
]


@pytest.mark.parametrize(("value", "freedom", "p"), T_VALUES)
def test_p_values_of_t_have_all_their_digits(value: float, freedom: float, p: float) -> None:
    assert contrasts.t_two_sided(value, freedom) == pytest.approx(p, rel=1e-10)
    assert contrasts.t_two_sided(-value, freedom) == pytest.approx(p, rel=1e-10)
    assert contrasts.t_quantile(1 - p / 2, freedom) == pytest.approx(value, rel=1e-7)


def test_the_error_of_the_mean_is_that_of_the_analysis_of_variance() -> None:
    """Two seeds, three questions; sums of squares by their definition, in fractions. The seeds alone, 2/3 and 0, are a
    t of 1 with one degree of freedom, p = 1/2: the larger of the two p-values counts, and the wider interval.
    """
    table = [[Fraction(v) for v in row] for row in ([1, 0, 1], [1, -1, 0])]
    grand = sum(map(sum, table)) / Fraction(6)
    seeds = [sum(row) / 3 for row in table]
    questions = [sum(column) / 2 for column in zip(*table, strict=True)]
    ms_seed = 3 * sum((s - grand) ** 2 for s in seeds) / 1
    ms_question = 2 * sum((q - grand) ** 2 for q in questions) / 2
    ms_rest = sum(
        (table[i][j] - seeds[i] - questions[j] + grand) ** 2 for i, j in product(range(2), range(3))
    ) / Fraction(2)
    both = ms_seed + ms_question - ms_rest
    spread = ms_seed**2 / 1 + ms_question**2 / 2 + ms_rest**2 / 2
    error, freedom = float(both / 6) ** 0.5, float(both**2 / spread)
    found = contrast([[0.0] * 3] * 2, [[float(v) for v in row] for row in table])
    half = max(contrasts.t_quantile(0.975, freedom) * error, 12.706 * 1 / 3)
    assert found.difference.value == pytest.approx(float(grand))
    assert found.difference.low == pytest.approx(max(-1.0, float(grand) - half))
    crossed = contrasts.t_two_sided(float(grand) / error, freedom)
    assert found.p == pytest.approx(max(crossed, 0.5))
    power = contrasts.t_quantile(0.975, freedom) + contrasts.t_quantile(0.8, freedom)
    assert found.detectable == pytest.approx(max(power * error, (12.706 + 1.376) / 3), rel=1e-3)


def test_questions_that_differ_more_than_seeds_decide() -> None:
    """Two seeds that agree on every question: the error is that of the questions alone, 9 of 10 gained."""
    found = contrast([[0.0] * 10] * 2, [[1.0] * 9 + [0.0]] * 2)
    error = (0.9 * 0.1 / 9) ** 0.5
    assert found.p == pytest.approx(contrasts.t_two_sided(0.9 / error, 9))
    assert found.difference.low == pytest.approx(0.9 - 2.262 * error, abs=1e-4)


def test_seeds_that_disagree_leave_nothing_to_conclude_however_many_the_questions() -> None:
    """Two seeds, of which one gains a lot and one loses a little, on a thousand questions each."""
    reference = [[0.0] * 1000, [0.5] * 1000]
    other = [[1.0] * 900 + [0.0] * 100, [0.5] * 900 + [0.0] * 100]
    found = contrast(reference, other)
    assert found.difference == Interval(pytest.approx(0.425), -1.0, 1.0)
    assert found.p > 0.3
    assert not found.concluded


def test_one_seed_is_tested_over_questions_and_never_concluded_from() -> None:
    """Six questions gained, none lost: McNemar's exact test gives 2 / 2**6."""
    found = contrast([[0.0] * 10], [[1.0] * 6 + [0.0] * 4])
    assert found.p == pytest.approx(2 / 64)
    assert not found.concluded


def test_equal_tables_have_no_difference() -> None:
    found = contrast([[1.0, 0.0]] * 2, [[1.0, 0.0]] * 2)
    assert (found.difference.value, found.p, found.detectable) == (0.0, 1.0, None)


def test_holm_multiplies_the_smallest_most_and_keeps_the_order() -> None:
    made = [Contrast(3, 9, Interval(0, 0, 0), p, None, p) for p in (0.04, 0.01, 0.03, 0.9)]
    assert [c.p_corrected for c in corrected(made)] == pytest.approx([0.09, 0.04, 0.09, 0.9])


@pytest.mark.parametrize("seeds", [2, 3])
def test_under_no_difference_the_test_errs_as_often_as_it_says(seeds: int) -> None:
    """300 studies of 40 questions, in which seeds and questions both have effects of their own."""
    generator = np.random.default_rng(7)
    zeros = [[0.0] * 40] * seeds
    wrong = 0
    for _ in range(300):
        table = (
            0.1 * generator.standard_normal((seeds, 1))
            + 0.2 * generator.standard_normal((1, 40))
            + 0.3 * generator.standard_normal((seeds, 40))
        )
        wrong += contrast(zeros, table.tolist()).p <= 0.05
    assert wrong / 300 < 0.08


def test_the_detectable_difference_is_found_in_about_80_of_100_studies() -> None:
    chooser = random.Random(3)
    zeros = [[0.0] * 60] * 4

    def study(gain: float) -> Contrast:
        seeds = [chooser.gauss(gain, 0.04) for _ in range(4)]
        questions = [chooser.gauss(0, 0.2) for _ in range(60)]
        return contrast(zeros, [[s + q + chooser.gauss(0, 0.2) for q in questions] for s in seeds])

    gain = mean(study(0.0).detectable or 0.0 for _ in range(50))
    found = mean(study(gain).p <= 0.05 for _ in range(150))
    assert 0.7 < found < 0.95
