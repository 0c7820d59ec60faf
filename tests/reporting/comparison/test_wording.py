"""Words and numbers that both pages of a comparison show."""

import pytest

from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting.comparison import wording
from hybrid_rl.reporting.comparison.compare import Area
from hybrid_rl.reporting.comparison.contrasts import Contrast
from hybrid_rl.reporting.comparison.cost_curves import CostToTarget, costs
from hybrid_rl.reporting.comparison.outcomes import About, Figure, Outcome


def test_a_sampled_measure_says_how_many_samples() -> None:
    assert wording.measure_name(About("hard", "greedy", "after", 4, 8)) == "greedy"
    assert wording.measure_name(About("hard", "pass", "after", 4, 8)) == "pass@8"


@pytest.mark.parametrize(
    ("detectable", "text"), [(None, "-"), (0.25, "0.250"), (1.0, "1.000"), (1.2, "none")]
)
def test_no_difference_above_1_is_detectable(detectable: float | None, text: str) -> None:
    assert wording.detectable_text(Contrast(3, 9, Interval(0, 0, 0), 0.5, detectable)) == text


def test_the_correlation_of_seeds_is_told_with_its_range() -> None:
    value = Interval(0.5, 0.4, 0.6)
    figures = [
        Figure(name, [0, 1, 2], value, None, None, seed_correlation=correlation)
        for name, correlation in (("grpo", None), ("bread", 0.5), ("relift", -0.25))
    ]
    about = About("hard", "greedy", "after", 4, 8)
    assert wording.correlation_text(Outcome(about, figures, None)) == (
        "Questions are paired, seeds are not. Over the seeds that an arm and the reference share, their accuracies"
        " correlate by 0.12, from -0.25 to 0.50; only well above 0.5 would pairing seeds find more."
    )
    assert wording.correlation_text(Outcome(about, figures[:1], None)) is None


def test_a_cost_that_was_not_reached_is_more_than_what_was_spent() -> None:
    found = costs([CostToTarget(1200, True), CostToTarget(1000, True), CostToTarget(2000, False)])
    assert wording.cost_text(found) == "1,200 [1,000, >2,000]"
    assert wording.cost_text(costs([CostToTarget(3e9, True)])) == "3 G"


def test_what_spends_nothing_and_never_arrives_costs_never() -> None:
    assert wording.cost_text(costs([CostToTarget(0, False)])) == "never"
    assert wording.cost_text(costs([CostToTarget(0, False)] * 3)) == "never"


def test_an_area_names_both_arms_and_the_range() -> None:
    area = Area(0, 1200, Interval(0.5, 0.4, 0.6), Interval(0.3, 0.3, 0.3))
    expected = "0.500 [0.400, 0.600] against 0.300, 0 to 1,200"
    assert wording.area_text(area) == expected
    assert wording.area_text(None) == "no range in common"
