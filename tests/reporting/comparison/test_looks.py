"""The rule by which a study that adds seeds decides, against simulated studies whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from hybrid_rl.reporting.comparison.contrasts import contrast
from hybrid_rl.reporting.comparison.looks import Rule, look
from tests.fakes import simulated_looks
from tests.fakes.accuracies import answers, questions
from tests.fakes.simulated_looks import Simulated, simulate


def test_the_simulation_has_the_p_values_of_the_contrast() -> None:
    generator = np.random.default_rng(3)
    chances = generator.uniform(0.2, 0.6, (30, 1, 41))
    first = simulated_looks.answers(generator, chances, 4, 0.1)
    other = simulated_looks.answers(generator, chances + 0.1, 4, 0.1)
    found = simulated_looks.p_values(first, other)
    wanted = [contrast(a.tolist(), b.tolist()).p for a, b in zip(first, other, strict=True)]
    assert found == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(("arms", "spread", "seed"), [(1, 0.10, 0), (1, 0.15, 1), (3, 0.12, 2)])
def test_studies_without_a_difference_decide_in_at_most_5_of_100(
    arms: int, spread: float, seed: int
) -> None:
    """2,500 studies each, over all looks and all arms together; a test at .05 after every seed errs in 9 or more."""
    found = simulate(Rule(3, 8, arms), 2500, 0.0, spread, seed)
    assert 0.02 < found.any_decided <= 0.05
    assert (found.p <= 0.05).any(axis=(0, 2)).mean() > 0.09


def test_arms_that_vary_much_more_than_the_reference_err_no_more_often_than_without_looks() -> None:
    """The worst case for Welch's test with few seeds: a fixed design errs in about .05 of studies too."""
    rule, generator = Rule(3, 8, 3), np.random.default_rng(1)
    chances = generator.uniform(0.4, 0.6, (2500, 1, 128))
    reference = simulated_looks.answers(generator, chances, 8, 0.02)
    arms = [simulated_looks.answers(generator, chances, 8, 0.15) for _ in range(3)]
    p = simulated_looks.looked_at(rule, reference, arms, 0.0)
    found = Simulated(rule, p)
    assert 0.04 < found.any_decided <= found.fixed.any(axis=0).mean() + 0.002


@pytest.mark.parametrize(
    ("gain", "power", "fixed", "runs"),
    [(0.1, 0.29, 0.31, 0.96), (0.2, 0.80, 0.85, 0.84), (0.3, 0.99, 0.99, 0.70)],
)
def test_seeds_are_saved_where_the_difference_is_large(
    gain: float, power: float, fixed: float, runs: float
) -> None:
    """1,000 studies of one arm beside the reference, 3 to 8 seeds, standard deviation .12 over seeds."""
    found = simulate(Rule(3, 8, 1), 1000, gain, 0.12)
    measured = [found.decided.mean(), found.fixed.mean(), found.runs]
    assert measured == pytest.approx([power, fixed, runs], abs=0.02)


def test_the_intervals_of_all_looks_and_arms_hold_the_truth_together() -> None:
    """An interval leaves the truth out exactly where the p-value of that truth is at most the level of the look."""
    rule, generator = Rule(3, 8, 2), np.random.default_rng(7)
    chances = generator.uniform(0.3, 0.5, (2000, 1, 128))
    reference = simulated_looks.answers(generator, chances, 8, 0.1)
    arms = [simulated_looks.answers(generator, chances + 0.2, 8, 0.1) for _ in range(2)]
    p = simulated_looks.looked_at(rule, reference, arms, 0.2)
    missed = (p <= np.array(rule.levels())).any(axis=(0, 2)).mean()
    assert 0.02 < missed <= 0.05


def test_a_look_decides_exactly_where_its_p_is_at_most_its_level() -> None:
    generator = np.random.default_rng(11)
    rule, decided = Rule(2, 4, 2, margin=0.3), 0
    for gain in np.linspace(0.0, 0.5, 10):
        chances = questions(generator, 60)
        tables = [answers(generator, chances - 0.2, 4, 0.05, gain) for gain in (0.0, float(gain))]
        earlier = list[float]()
        for seeds in (2, 3, 4):
            seen = look(rule, tables[0][:seeds], tables[1][:seeds], earlier)
            sure = seen.p <= seen.level
            assert sure == (seen.p_together <= 0.05) == (seen.low >= 0 or seen.high <= 0)
            assert sure == (seen.decision in ("better", "worse"))
            within = seen.low > -0.3 and seen.high < 0.3
            ends = "undecided" if seeds == 4 else "open"
            assert sure or seen.decision == ("within margin" if within else ends)
            earlier.append(seen.p)
            if seen.decision != "open":
                decided += sure
                break
    assert 2 < decided < 10


def test_the_interval_is_that_of_a_welch_test_at_the_level_of_the_look() -> None:
    """Each question is answered alike within a seed, so that seeds alone vary."""
    first, other = (
        [[value] * 2 for value in values] for values in ([0.1, 0.2, 0.3], [0.5, 0.9, 1.0])
    )
    rule = Rule(3, 6, 1)
    seen = look(rule, first, other, [])
    level = rule.levels(3)[0]
    welch = stats.ttest_ind([0.5, 0.9, 1.0], [0.1, 0.2, 0.3], equal_var=False)
    bounds = welch.confidence_interval(1 - level)
    assert seen.level == level
    assert (seen.p, seen.difference) == pytest.approx((welch.pvalue, 0.6))
    assert (seen.low, seen.high) == pytest.approx((max(-1, bounds.low), min(1, bounds.high)))
    assert seen.decision == "open"


def test_arms_share_the_error_level() -> None:
    one, four = Rule(3, 8, 1), Rule(3, 8, 4)
    assert one.alpha == pytest.approx(0.04)
    assert four.alpha == pytest.approx(0.01)
    assert four.levels()[-1] < one.levels()[-1] / 3.5
    assert one.levels(4) == one.levels()[:2]
