"""Means over seeds and questions, against an analysis of variance in fractions, SciPy, and simulations."""

from fractions import Fraction
from itertools import product
from math import sqrt

import numpy as np
import pytest
from scipy import integrate, stats

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.statistics import Array, Interval
from hybrid_rl.reporting.comparison import crossed
from hybrid_rl.reporting.comparison.crossed import Variance
from tests.fakes import accuracies


def test_the_variance_of_a_mean_is_that_of_the_analysis_of_variance() -> None:
    """Two seeds, three questions; sums of squares by their definition, in fractions."""
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
    alone, quasi = crossed.variances(crossed.parts(np.array(table, dtype=np.float64)))
    assert (alone.value, alone.freedom) == (pytest.approx(float(ms_seed / 6)), 1)
    assert quasi.value == pytest.approx(float(both / 6))
    assert quasi.freedom == pytest.approx(float(both**2 / spread))


def test_the_parts_are_those_of_a_mixed_model() -> None:
    """Four seeds, six questions: the components that maximise the restricted likelihood, found by a search."""
    generator = np.random.default_rng(4)
    table = (
        generator.standard_normal((4, 1))
        + 0.8 * generator.standard_normal((1, 6))
        + 0.5 * generator.standard_normal((4, 6))
    )
    same_seed = np.kron(np.eye(4), np.ones((6, 6)))
    same_question = np.kron(np.ones((4, 4)), np.eye(6))

    def deviance(logs: Array) -> float:
        seed, question, rest = np.exp(logs)
        covariance = seed * same_seed + question * same_question + rest * np.eye(24)
        inverse = np.linalg.inv(covariance)
        information = inverse.sum()
        mean = inverse.sum(axis=0) @ table.ravel() / information
        left = table.ravel() - mean
        return float(np.linalg.slogdet(covariance)[1] + np.log(information) + left @ inverse @ left)

    from scipy import optimize

    seed, question, rest = np.exp(optimize.minimize(deviance, np.zeros(3), method="BFGS").x)
    _, quasi = crossed.variances(crossed.parts(table))
    assert quasi.value == pytest.approx(seed / 4 + question / 6 + rest / 24, rel=1e-4)


def test_a_mean_over_seeds_is_never_surer_than_its_seeds() -> None:
    """Two seeds, .5 and .7 on the mean: Student's t with one degree of freedom, 12.706 of .1."""
    table = [[0.0, 1.0] * 50, [0.4, 1.0] * 50]
    assert crossed.interval(table) == Interval(pytest.approx(0.6), 0.0, 1.0)
    wide = crossed.half_width(crossed.variances(crossed.parts(np.array(table))), 0.05)
    assert wide == pytest.approx(12.706 * 0.1, abs=1e-4)


def test_seeds_that_agree_leave_the_error_of_the_questions() -> None:
    values = [0.0, 0.25, 1.0, 0.5] * 25
    found, half = crossed.interval([values] * 3), stats.sem(values) * stats.t.ppf(0.975, 99)
    assert found == Interval(
        pytest.approx(0.4375), pytest.approx(0.4375 - half), pytest.approx(0.4375 + half)
    )


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_nothing_varies_the_interval_is_not_empty(value: float) -> None:
    assert crossed.interval([[value] * 30] * 3) == statistics.bootstrap_mean([value] * 30)


def test_one_seed_has_the_interval_of_its_questions() -> None:
    values = [0.0, 0.5, 1.0, 1.0]
    assert crossed.interval([values]) == statistics.bootstrap_mean(values)


@pytest.mark.parametrize("table", [[], [[]], [[1.0], [1.0, 0.0]]])
def test_tables_without_the_same_questions_are_refused(table: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="the same questions, and at least one"):
        crossed.interval(table)


@pytest.mark.parametrize(
    ("seeds", "spread", "most"), [(2, 0.1, 0.88), (2, 0.15, 0.82), (3, 0.15, 0.91), (6, 0.1, 0.96)]
)
def test_intervals_of_few_seeds_hold_the_truth_where_a_bootstrap_does_not(
    seeds: int, spread: float, most: float
) -> None:
    """400 studies of 128 questions, whose true mean is .5; with six seeds the bootstrap is nearly right."""
    generator = np.random.default_rng(seeds)
    held = {"crossed": 0, "bootstrap": 0}
    for _ in range(400):
        chances = accuracies.questions(generator, 128)
        table = accuracies.answers(generator, chances, seeds, spread)
        found = {"crossed": crossed.interval(table), "bootstrap": _bootstrap(generator, table)}
        for name, interval in found.items():
            held[name] += interval.low <= 0.5 <= interval.high
    assert 0.93 <= held["crossed"] / 400 <= 0.99
    assert held["bootstrap"] / 400 < min(most, held["crossed"] / 400)


def _bootstrap(
    generator: np.random.Generator, table: list[list[float]], draws: int = 100
) -> Interval:
    """Seeds and questions drawn with replacement, apart from each other (Owen, "The pigeonhole bootstrap", 2007)."""
    values = np.array(table)
    seeds, questions = values.shape
    means = [
        (
            generator.multinomial(seeds, np.full(seeds, 1 / seeds))
            @ values
            @ generator.multinomial(questions, np.full(questions, 1 / questions))
        )
        / values.size
        for _ in range(draws)
    ]
    return Interval(float(values.mean()), *map(float, np.quantile(means, [0.025, 0.975])))


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
    assert crossed.t_two_sided(value, freedom) == pytest.approx(p, rel=1e-10)
    assert crossed.t_two_sided(-value, freedom) == pytest.approx(p, rel=1e-10)
    assert crossed.t_quantile(1 - p / 2, freedom) == pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize("freedom", [1.0, 2.0, 5.7, 40.0])
@pytest.mark.parametrize("level", [0.05, 0.05 / 8])
def test_the_detectable_mean_has_the_power_that_it_says(freedom: float, level: float) -> None:
    """Over all values that the estimated error may take: a normal over the root of a chi-square."""
    needed = crossed.detectable([Variance(1.0, freedom)], level, 0.8)
    bound = stats.t.ppf(1 - level / 2, freedom)

    def beyond(error: float) -> float:
        density = stats.chi.pdf(error * sqrt(freedom), freedom) * sqrt(freedom)
        return float(density * stats.norm.sf(bound * error - needed))

    power = integrate.quad(beyond, 0, 1, limit=200)[0] + integrate.quad(beyond, 1, 9, limit=200)[0]
    assert power == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize(("seeds", "effect"), [(3, 3.2640436), (6, 1.4345451)])
def test_the_detectable_mean_is_that_of_statsmodels(seeds: int, effect: float) -> None:
    """`TTestPower().solve_power(nobs=seeds, alpha=0.05, power=0.8)` of statsmodels 0.15, in standard deviations."""
    found = crossed.detectable([Variance(1 / seeds, seeds - 1)], 0.05, 0.8)
    assert found == pytest.approx(effect, rel=1e-6)


def test_the_sum_of_two_quantiles_has_less_power_than_it_says() -> None:
    """What `detectable` replaces, with 4 degrees of freedom and eight arms."""
    bound = stats.t.ppf(1 - 0.05 / 16, 4)
    assert stats.nct.sf(bound, 4, bound + stats.t.ppf(0.8, 4)) == pytest.approx(0.7375, abs=0.0005)


def test_variances_add_up_with_the_degrees_of_freedom_of_welch() -> None:
    """Two samples of 3 and 5, as `scipy.stats.ttest_ind(equal_var=False)` has them."""
    first, second = np.array([1.0, 2.0, 4.0]), np.array([1.0, 8.0, 3.0, 2.0, 9.0])
    made = [Variance(float(one.var(ddof=1)) / one.size, one.size - 1) for one in (first, second)]
    expected = stats.ttest_ind(first, second, equal_var=False)
    found = made[0] + made[1]
    assert found.freedom == pytest.approx(expected.df)
    gap = float(first.mean() - second.mean())
    assert crossed.p_value(gap, [found]) == pytest.approx(expected.pvalue)
