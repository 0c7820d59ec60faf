"""Cost of a target and area under a curve, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_rl.reporting.comparison.cost_curves import (
    CostToTarget,
    MeanPoint,
    Point,
    area,
    cost_of,
    costs,
    coverage,
    mean_curve,
)

CURVE = [Point(0, 0.1), Point(100, 0.3), Point(200, 0.6), Point(300, 0.5), Point(400, 0.7)]


def test_the_mean_curve_has_a_point_wherever_a_run_was_evaluated_within_the_common_range() -> None:
    """By hand: the second curve is 0.2 at 100, rises to 0.6 at 200 and ends there; the first begins at 50."""
    first = [Point(50, 0.0), Point(150, 0.5), Point(300, 0.8)]
    second = [Point(0, 0.2), Point(100, 0.2), Point(200, 0.6)]
    assert mean_curve([first, second]) == [
        MeanPoint(50, pytest.approx(0.1), 0.0, pytest.approx(0.2)),
        MeanPoint(100, pytest.approx(0.225), pytest.approx(0.2), pytest.approx(0.25)),
        MeanPoint(150, pytest.approx(0.45), pytest.approx(0.4), pytest.approx(0.5)),
        MeanPoint(200, pytest.approx(0.6), pytest.approx(0.6), pytest.approx(0.6)),
    ]


def test_curves_without_a_common_range_have_no_mean() -> None:
    assert mean_curve([CURVE[:2], CURVE[2:]]) == []
    assert mean_curve([CURVE, []]) == []
    assert mean_curve([]) == []
    assert mean_curve([[Point(0, 0.25)]]) == [MeanPoint(0, 0.25, 0.25, 0.25)]


def test_a_target_costs_what_was_spent_at_the_first_of_two_evaluations_in_a_row() -> None:
    assert cost_of(CURVE, 0.3) == CostToTarget(100, True)
    assert cost_of(CURVE, 0.5) == CostToTarget(200, True)


def test_one_evaluation_alone_at_the_target_is_not_enough_nor_is_the_last() -> None:
    assert cost_of(CURVE, 0.55) == CostToTarget(400, False)


@pytest.mark.parametrize(("questions", "evaluations"), [(64, 9), (128, 15)])
def test_a_plateau_below_the_target_seldom_reaches_it(questions: int, evaluations: int) -> None:
    """300 runs that solve 45 % of dev for good. One evaluation at .5 is met by most of them, two in a row by few."""
    generator = np.random.default_rng(0)
    once = twice = 0
    for _ in range(300):
        chances = generator.beta(1.35, 1.65, questions)
        chances = np.clip(chances + 0.45 - chances.mean(), 0, 1)
        right = generator.random((evaluations, questions)) < chances
        curve = [Point(step, float(share)) for step, share in enumerate(right.mean(axis=1))]
        once += max(point.accuracy for point in curve) >= 0.5
        twice += cost_of(curve, 0.5).reached
    assert once / 300 > 0.75
    assert twice / 300 < 0.35


def test_a_target_never_seen_costs_more_than_was_spent_at_the_last_look() -> None:
    assert cost_of(CURVE, 0.71) == CostToTarget(400, False)


def test_the_median_of_three_lies_between_the_others() -> None:
    found = costs([CostToTarget(300, True), CostToTarget(100, True), CostToTarget(250, True)])
    assert (found.median, found.low, found.high) == (
        CostToTarget(250, True),
        CostToTarget(100, True),
        CostToTarget(300, True),
    )
    assert coverage(3, 0) == pytest.approx(0.75)  # all three on one side of the median: 2 / 2**3


def test_a_run_that_never_arrives_costs_more_than_it_was_seen_to_spend() -> None:
    found = costs([CostToTarget(100, True), CostToTarget(500, False), CostToTarget(400, False)])
    assert (found.median, found.low, found.high) == (
        CostToTarget(400, False),
        CostToTarget(100, True),
        CostToTarget(500, False),
    )
    assert (found.reached, found.runs) == (1, 3)


def test_of_two_runs_one_that_never_arrives_decides_the_median() -> None:
    assert costs([CostToTarget(100, True), CostToTarget(400, False)]).median == CostToTarget(
        250, False
    )


def test_a_run_last_seen_early_may_have_cost_less_or_more_than_the_others() -> None:
    found = costs([CostToTarget(100, True), CostToTarget(20, False)])
    assert (found.low, found.median, found.high) == (
        CostToTarget(20, False),
        CostToTarget(60, False),
        CostToTarget(100, False),
    )
    most_arrived = costs([CostToTarget(100, True), CostToTarget(20, False), CostToTarget(30, True)])
    assert (most_arrived.low, most_arrived.median, most_arrived.high) == (
        CostToTarget(20, False),
        CostToTarget(100, True),
        CostToTarget(100, False),
    )


@given(
    found=st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=20),
    later=st.lists(st.integers(0, 100), min_size=20, max_size=20),
)
def test_whatever_the_unseen_costs_are_the_ends_hold_their_order(
    found: list[tuple[int, bool]], later: list[int]
) -> None:
    """`later`: what runs that never arrived would have spent beyond their last evaluation."""
    made = costs([CostToTarget(spent, reached) for spent, reached in found])
    assert made.low.spent <= made.median.spent <= made.high.spent
    whole = [s if reached else s + more for (s, reached), more in zip(found, later, strict=False)]
    true = costs([CostToTarget(value, True) for value in whole])
    assert made.low.spent <= true.low.spent
    assert not made.high.reached or true.high.spent <= made.high.spent
    if made.median.reached:
        assert true.median.spent <= made.median.spent
    else:
        assert made.median.spent <= true.median.spent


def test_with_many_runs_the_interval_leaves_out_the_extremes() -> None:
    """Nine runs: the second from either end, 1 - 2 * (1 + 9) / 512."""
    found = costs([CostToTarget(value, True) for value in range(1, 10)])
    assert (found.low, found.high) == (CostToTarget(2, True), CostToTarget(8, True))
    assert coverage(9, 1) == pytest.approx(1 - 20 / 512)


def test_the_area_is_the_mean_height_of_the_curve() -> None:
    assert area(CURVE, 0, 200) == pytest.approx((0.2 * 100 + 0.45 * 100) / 200)
    assert area(CURVE, 50, 150) == pytest.approx((0.25 * 50 + 0.375 * 50) / 100)


def test_there_is_no_area_where_the_curve_does_not_go() -> None:
    assert area(CURVE, 0, 401) is None
    assert area(CURVE[1:], 0, 200) is None
    assert area([Point(0, 0.1), Point(0, 0.5)], 0, 0) is None


def test_of_evaluations_at_equal_spending_the_later_counts() -> None:
    assert area([Point(0, 0.0), Point(10, 0.1), Point(10, 1.0)], 0, 10) == pytest.approx(0.5)
