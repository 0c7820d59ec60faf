"""p-values and intervals of several arms together, against all closed tests and against simulations."""

from itertools import combinations

import numpy as np
import pytest

from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting.comparison import simultaneous
from hybrid_rl.reporting.comparison.contrasts import LEVEL, Contrast, contrast
from hybrid_rl.reporting.comparison.crossed import Variance, t_quantile, t_two_sided
from hybrid_rl.reporting.comparison.simultaneous import share, together
from tests.fakes import accuracies


def _made(statistic: float, freedom: float = 8.0) -> Contrast:
    """A difference of so many standard errors of .05."""
    value = 0.05 * statistic
    p = t_two_sided(statistic, freedom)
    return Contrast(3, 9, Interval(value, value, value), p, None, (Variance(0.05**2, freedom),))


def test_one_arm_has_what_it_has_alone() -> None:
    alone = contrast([[0.2] * 5, [0.4] * 5], [[0.7] * 5, [0.8] * 5])
    assert together([alone]) == [simultaneous.Together(pytest.approx(alone.p), alone.difference)]


def test_the_smallest_p_is_multiplied_by_the_number_of_arms_as_bonferroni_has_it() -> None:
    made = [_made(statistic) for statistic in (4.0, 1.0, 2.0, 0.5)]
    assert together(made)[0].p == pytest.approx(4 * made[0].p)


def test_later_arms_gain_half_of_what_holm_gives() -> None:
    """Holm has the second of four at 1/3 of the level, Bonferroni at 1/4."""
    assert (share(4, 4), share(1, 1)) == (0.25, 1.0)
    assert share(3, 4) == pytest.approx((1 / 3 + 1 / 4) / 2)
    made = [_made(statistic) for statistic in (9.0, 3.0, 0.5, 0.1)]
    assert together(made)[1].p == pytest.approx(made[1].p / share(3, 4))


@pytest.mark.parametrize(
    ("step_down", "second"), [(0.0, 4.0), (1.0, 3.0)], ids=["Bonferroni", "Holm"]
)
def test_its_ends_are_bonferroni_and_holm(
    monkeypatch: pytest.MonkeyPatch, step_down: float, second: float
) -> None:
    monkeypatch.setattr(simultaneous, "STEP_DOWN", step_down)
    made = [_made(statistic) for statistic in (9.0, 3.0, 0.5, 0.1)]
    assert together(made)[1].p == pytest.approx(second * made[1].p)


def test_with_all_handed_on_the_p_values_are_those_of_statsmodels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`multipletests(p, method="holm")` of statsmodels 0.15; differences in one direction."""
    monkeypatch.setattr(simultaneous, "STEP_DOWN", 1.0)
    value = Interval(0.1, 0.1, 0.1)
    made = [Contrast(3, 9, value, p, None) for p in (0.04, 0.01, 0.03, 0.9)]
    assert [one.p for one in together(made)] == pytest.approx([0.09, 0.04, 0.09, 0.9])


def test_an_arm_is_decided_where_every_hypothesis_that_contains_it_is() -> None:
    """The closed test: for each set of arms that may not be above 0, one of them is below the level of its share."""
    generator = np.random.default_rng(2)
    for _ in range(200):
        made = [_made(statistic) for statistic in generator.normal(1.5, 2, 4)]
        upper = [one.p / 2 if one.difference.value > 0 else 1 - one.p / 2 for one in made]
        for index, found in enumerate(together(made)):
            closed = all(
                min(upper[i] for i in chosen) <= share(size, 4) * LEVEL / 2
                for size in range(1, 5)
                for chosen in combinations(range(4), size)
                if index in chosen
            )
            assert closed == (found.p <= LEVEL and found.difference.value > 0)


def test_brackets_have_the_level_that_is_kept_or_left_for_them() -> None:
    """Of four arms two are above 0: an eighth of the level is kept for each, and two share the rest upwards.

    Downwards nobody is decided, and all four share the level.
    """
    first, _, third, _ = together([_made(statistic) for statistic in (12.0, 9.0, 0.5, 0.1)])
    bound = {
        share: 0.05 * t_quantile(1 - LEVEL * share / 2, 8.0) for share in (1 / 8, 3 / 8, 1 / 4)
    }
    assert first.difference.low == pytest.approx(0.6 - bound[1 / 8])
    assert first.difference.high == pytest.approx(0.6 + bound[1 / 4])
    assert third.difference.low == pytest.approx(0.025 - bound[3 / 8])


def test_where_all_arms_are_decided_nothing_is_kept_back() -> None:
    found = together([_made(statistic) for statistic in (12.0, 9.0, 11.0)])
    half = 0.05 * t_quantile(1 - LEVEL / 3 / 2, 8.0)
    assert found[0].difference.low == pytest.approx(0.6 - half)


def test_brackets_agree_with_corrected_p_values() -> None:
    generator = np.random.default_rng(3)
    decided = 0
    for _ in range(300):
        made = [
            _made(s, f) for s, f in zip(generator.normal(0, 3, 5), (1, 2, 4, 9, 30), strict=True)
        ]
        for found in together(made):
            outside = found.difference.low >= 0 or found.difference.high <= 0
            assert outside == (found.p <= LEVEL)
            assert found.difference.low <= found.difference.value <= found.difference.high
            decided += outside
    assert 150 < decided < 600


def test_brackets_of_decided_arms_are_not_empty_words() -> None:
    """Six arms, five of them far above 0: their lower ends are far above it too."""
    found = together([*[_made(12.0)] * 5, _made(0.5)])
    assert all(one.difference.low > 0.3 for one in found[:5])
    assert found[5].difference.low < 0 < found[5].difference.high


@pytest.mark.parametrize(
    "gains", [[0.0] * 5, [0.3, 0.3, 0.2, 0.0, 0.0], [-0.2, -0.1, 0.0, 0.1, 0.2]]
)
def test_all_intervals_hold_the_truth_at_once(gains: list[float]) -> None:
    """300 studies of three seeds and 30 questions, whose arms share the reference's runs."""
    generator = np.random.default_rng(1)
    missed = 0
    for _ in range(300):
        chances = accuracies.questions(generator, 30)
        reference = accuracies.answers(generator, chances, 3, 0.05)
        arms = [accuracies.answers(generator, chances, 3, 0.05, gain) for gain in gains]
        found = together([contrast(reference, arm) for arm in arms])
        missed += any(
            not one.difference.low <= gain <= one.difference.high
            for one, gain in zip(found, gains, strict=True)
        )
    assert missed / 300 <= 0.06
