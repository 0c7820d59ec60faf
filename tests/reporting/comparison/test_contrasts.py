"""Differences between recipes: numbers worked out by hand, by SciPy, or by simulation."""

from fractions import Fraction
from statistics import mean

import numpy as np
import pytest
from scipy import stats

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.statistics import Array, Interval
from hybrid_rl.reporting.comparison.contrasts import Contrast, Pairing, contrast, seed_correlation
from tests.fakes import accuracies


def test_the_variance_of_a_difference_has_the_seeds_of_both_and_the_questions_once() -> None:
    """Two seeds against three, three questions; mean squares by their definition, in fractions."""
    first = [[Fraction(v) for v in row] for row in ([1, 0, 0], [1, 0, 1])]
    second = [[Fraction(v) for v in row] for row in ([0, 1, 0], [1, 1, 1], [0, 1, 0])]
    parts, rest = [], []
    for table in (first, second):
        seeds = [sum(row) / 3 for row in table]
        questions = [sum(column) / len(table) for column in zip(*table, strict=True)]
        grand = sum(seeds) / len(seeds)
        freedom = len(table) - 1
        parts.append((sum((s - grand) ** 2 for s in seeds) / freedom / len(table), freedom))
        squares = sum(
            (value - seeds[i] - questions[j] + grand) ** 2
            for i, row in enumerate(table)
            for j, value in enumerate(row)
        )
        rest.append((squares / (2 * freedom) / (3 * len(table)), 2 * freedom))
    gaps = [sum(row[j] for row in second) / 3 - sum(row[j] for row in first) / 2 for j in range(3)]
    parts.append((sum((g - sum(gaps) / 3) ** 2 for g in gaps) / 2 / 3, 2))
    total = sum(v for v, _ in parts) - sum(v for v, _ in rest)
    freedom = total**2 / sum(v**2 / f for v, f in (*parts, *rest))
    found = contrast(_floats(first), _floats(second))
    seeds_alone, quasi = found.variances
    assert found.difference.value == pytest.approx(float(sum(gaps) / 3))
    assert quasi.value == pytest.approx(float(total))
    assert quasi.freedom == pytest.approx(float(freedom))
    assert seeds_alone.value == pytest.approx(float(parts[0][0] + parts[1][0]))


def _floats(table: list[list[Fraction]]) -> list[list[float]]:
    return [[float(value) for value in row] for row in table]


def test_where_questions_agree_the_test_is_that_of_welch() -> None:
    """Every question of a seed has one score: nothing but seeds varies."""
    first, second = [0.2, 0.4, 0.3], [0.6, 0.9, 0.5, 0.7]
    found = contrast([[v] * 20 for v in first], [[v] * 20 for v in second])
    expected = stats.ttest_ind(second, first, equal_var=False)
    bounds = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.difference.low, found.difference.high) == pytest.approx((bounds.low, bounds.high))
    assert found.seeds == 3


def test_paired_seeds_are_the_test_of_their_differences() -> None:
    first, second = [0.2, 0.4, 0.3], [0.5, 0.9, 0.7]
    tables = [[[v] * 20 for v in one] for one in (first, second)]
    found = contrast(*tables, pairing="seeds and questions")
    assert found.p == pytest.approx(stats.ttest_rel(second, first).pvalue)


def test_questions_that_differ_more_than_seeds_decide() -> None:
    """Two seeds that agree on every question: the error is that of the questions alone, 9 of 10 gained."""
    found = contrast([[0.0] * 10] * 2, [[1.0] * 9 + [0.0]] * 2)
    expected = stats.ttest_1samp([1.0] * 9 + [0.0], 0)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.difference.low == pytest.approx(expected.confidence_interval().low)


def test_seeds_that_disagree_leave_nothing_to_conclude_however_many_the_questions() -> None:
    """Two seeds, of which one gains a lot and one loses a little, on a thousand questions each."""
    reference = [[0.0] * 500 + [1.0] * 500] * 2
    found = contrast(reference, [[1.0] * 950 + [0.0] * 50, [0.45] * 1000])
    assert found.difference == Interval(pytest.approx(0.2), -1.0, 1.0)
    assert found.p > 0.3


@pytest.mark.parametrize("gained", [5, 6])
def test_one_seed_is_tested_exactly_over_questions_and_the_bracket_agrees(gained: int) -> None:
    """Some questions gained, none lost: McNemar's exact test gives 2 / 2**gained."""
    found = contrast([[0.0] * 40], [[1.0] * gained + [0.0] * (40 - gained)])
    assert found.p == pytest.approx(
        max(2 / 2**gained, _t_test([1.0] * gained + [0.0] * (40 - gained)))
    )
    assert (found.difference.low > 0) == (found.p <= 0.05)


def _t_test(values: list[float]) -> float:
    return float(stats.ttest_1samp(values, 0).pvalue)


def test_equal_tables_have_no_difference() -> None:
    found = contrast([[1.0, 0.0]] * 2, [[1.0, 0.0]] * 2)
    assert (found.difference.value, found.p) == (0.0, 1.0)
    assert found.difference.low < 0 < found.difference.high


def test_a_gain_on_every_question_is_as_wide_as_what_may_have_been_missed() -> None:
    found = contrast([[0.0] * 30] * 2, [[1.0] * 30] * 2)
    assert (found.p, found.detectable) == (pytest.approx(2 / 2**30), None)
    assert found.difference.low == pytest.approx(1 - 2 * statistics.wilson(0, 30).high)


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="1 questions of the reference, 2 of the other"):
        contrast([[1.0]] * 2, [[1.0, 0.0]] * 2)
    with pytest.raises(ValueError, match="2 seeds of the reference, 3 of the other"):
        contrast([[1.0]] * 2, [[0.0]] * 3, pairing="seeds and questions")


def test_brackets_never_contradict_p_values() -> None:
    generator = np.random.default_rng(0)
    excluded = 0
    for index in range(300):
        seeds, chances = index % 3 + 1, accuracies.questions(generator, 12)
        reference = accuracies.answers(generator, chances, seeds, 0.1, -0.2)
        found = contrast(reference, accuracies.answers(generator, chances, seeds + 1, 0.1, 0.2))
        outside = found.difference.low > 0 or found.difference.high < 0
        assert outside == (found.p <= 0.05)
        excluded += outside
    assert 30 < excluded < 270


def _studies(
    pairing: Pairing, seeds: int, spreads: tuple[float, float], gain: float, together: float
) -> list[Contrast]:
    """400 studies of 40 questions; seeds have effects with these spreads, which correlate by `together`."""
    generator = np.random.default_rng(seeds)
    made = []
    for _ in range(400):
        shared = generator.standard_normal((seeds, 1))
        questions = 0.2 * generator.standard_normal((1, 40))

        def table(spread: float, shared: Array = shared, questions: Array = questions) -> Array:
            own = generator.standard_normal((seeds, 1))
            effect = spread * (together**0.5 * shared + (1 - together) ** 0.5 * own)
            return effect + questions + 0.2 * generator.standard_normal((seeds, 40))

        first, second = (table(spread) for spread in spreads)
        made.append(contrast(first.tolist(), (second + gain).tolist(), pairing=pairing))
    return made


@pytest.mark.parametrize("seeds", [2, 3, 6])
@pytest.mark.parametrize("spreads", [(0.1, 0.1), (0.02, 0.2)], ids=["alike", "unlike"])
@pytest.mark.parametrize("pairing", ["questions", "seeds and questions"])
def test_under_no_difference_the_test_errs_as_often_as_it_says(
    seeds: int, spreads: tuple[float, float], pairing: Pairing
) -> None:
    assert mean(one.p <= 0.05 for one in _studies(pairing, seeds, spreads, 0.0, 0.0)) < 0.075


def test_pairing_seeds_costs_power_with_few_and_brings_it_where_they_go_together() -> None:
    def power(pairing: Pairing, seeds: int, together: float) -> float:
        return mean(one.p <= 0.05 for one in _studies(pairing, seeds, (0.08, 0.08), 0.2, together))

    assert power("questions", 3, 0.0) > power("seeds and questions", 3, 0.0) + 0.1
    assert power("questions", 6, 0.6) < power("seeds and questions", 6, 0.6)


def test_the_detectable_difference_is_found_in_80_of_100_studies() -> None:
    """With the error that such studies have on the mean, and six seeds."""
    none = _studies("questions", 6, (0.08, 0.08), 0.0, 0.0)
    gain = mean(one.detectable or 0.0 for one in none)
    found = mean(one.p <= 0.05 for one in _studies("questions", 6, (0.08, 0.08), gain, 0.0))
    assert 0.74 < found < 0.88


def test_the_correlation_of_seeds_is_that_of_their_means() -> None:
    tables = [[[v] * 5 for v in one] for one in ([0.1, 0.2, 0.6], [0.3, 0.2, 0.9])]
    expected = np.corrcoef([0.1, 0.2, 0.6], [0.3, 0.2, 0.9])[0, 1]
    assert seed_correlation(*tables) == pytest.approx(expected)
    assert seed_correlation(tables[0][:2], tables[1][:2]) is None
    assert seed_correlation([[0.5]] * 3, tables[1]) is None
