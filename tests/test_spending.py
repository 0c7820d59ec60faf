"""Cost of a target and area under a curve, by hand."""

import pytest

from hybrid_rl.spending import Cost, Point, area, cost_of, costs

CURVE = [Point(0, 0.1), Point(100, 0.3), Point(200, 0.6), Point(300, 0.5)]


def test_a_target_costs_what_was_spent_when_it_was_first_seen() -> None:
    assert cost_of(CURVE, 0.3, 400) == Cost(100, True)
    assert cost_of(CURVE, 0.55, 400) == Cost(200, True)


def test_a_target_never_seen_costs_more_than_all_that_was_spent() -> None:
    assert cost_of(CURVE, 0.61, 400) == Cost(400, False)


def test_the_median_of_three_lies_between_the_others() -> None:
    found = costs([Cost(300, True), Cost(100, True), Cost(250, True)])
    assert (found.median, found.low, found.high) == (
        Cost(250, True),
        Cost(100, True),
        Cost(300, True),
    )
    assert found.coverage == pytest.approx(0.75)  # all three on one side of the median: 2 / 2**3


def test_a_run_that_never_arrives_is_later_than_all_and_bounds_what_it_decides() -> None:
    found = costs([Cost(100, True), Cost(500, False), Cost(400, False)])
    assert (found.median, found.low, found.high) == (
        Cost(400, False),
        Cost(100, True),
        Cost(400, False),
    )
    assert (found.reached, found.runs) == (1, 3)


def test_of_two_runs_one_that_never_arrives_decides_the_median() -> None:
    assert costs([Cost(100, True), Cost(400, False)]).median == Cost(400, False)


def test_with_many_runs_the_interval_leaves_out_the_extremes() -> None:
    """Nine runs: the second from either end, 1 - 2 * (1 + 9) / 512."""
    found = costs([Cost(value, True) for value in range(1, 10)])
    assert (found.low, found.high) == (Cost(2, True), Cost(8, True))
    assert found.coverage == pytest.approx(1 - 20 / 512)


def test_the_area_is_the_mean_height_of_the_curve() -> None:
    assert area(CURVE, 0, 200) == pytest.approx((0.2 * 100 + 0.45 * 100) / 200)
    assert area(CURVE, 50, 150) == pytest.approx((0.25 * 50 + 0.375 * 50) / 100)


def test_there_is_no_area_where_the_curve_does_not_go() -> None:
    assert area(CURVE, 0, 301) is None
    assert area(CURVE[1:], 0, 200) is None
    assert area([Point(0, 0.1), Point(0, 0.5)], 0, 0) is None


def test_of_evaluations_at_equal_spending_the_later_counts() -> None:
    assert area([Point(0, 0.0), Point(10, 0.1), Point(10, 1.0)], 0, 10) == pytest.approx(0.5)
