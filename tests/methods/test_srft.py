"""SRFT: three parts in one update, and the entropies that weigh two of them."""

from typing import Any

import pytest

from hybrid_rl.methods.srft import Srft, SrftSettings
from hybrid_rl.types import Update
from tests.fakes.reference_row import attempts_of, coefficients, example

H = (0.5, 1.2)  # mean .85


def learned(*rewards: float, traced: bool = True, **known: Any) -> list[tuple[Any, list[float]]]:
    """The demonstration, the expert's row and the rollouts, with c; of 8 rows in loss dr_grpo each token is 1/800."""
    values = {
        "name": "srft",
        "group_size": 8,
        "sft_weight": 0.5,
        "success_weight": 0.1,
        "shape": 0.1,
        "filter": True,
    }
    made = Srft(SrftSettings(**values), {}, seed=0, steps=9)
    groups = made.rollout(0, [example(traced=traced)], attempts_of(*rewards))
    terms = made.terms(0, Update("rl"), groups, [])
    return coefficients(terms, {"loss": "dr_grpo"}, entropies=H, **known)


def test_an_uncertain_policy_imitates_less() -> None:
    rows = learned(*[0.0] * 7)
    assert rows[0][1] == pytest.approx([0.10685, 0.10685], abs=1e-5)


def test_the_expert_has_its_lead_over_the_group_and_its_tokens_the_shaped_factor() -> None:
    row, found = learned(*[0.0] * 7)[1]
    assert row.expert
    assert [c * 800 for c in found] == pytest.approx([0.875 * 0.22222, 0.875 * 0.10938], abs=1e-5)


def test_rollouts_have_no_baseline() -> None:
    failed = learned(*[0.0] * 7)
    assert [found[0] * 800 for _, found in failed[2:]] == pytest.approx([-1.0] * 7)
    solved = learned(*[1.0] * 7)
    assert [found[0] * 800 for _, found in solved[2:]] == pytest.approx([0.1] * 7)
    assert solved[1][1] == [0, 0]  # no lead where all succeed


@pytest.mark.parametrize(
    ("entropy", "sft", "own"),
    [(0, 0.5, 0.1), (0.5, 0.3033, 0.1649), (1, 0.1839, 0.2718), (2.302585, 0.05, 1.0)],
)
def test_the_weights_at_an_entropy(entropy: float, sft: float, own: float) -> None:
    values = {
        "name": "srft",
        "group_size": 8,
        "sft_weight": 0.5,
        "success_weight": 0.1,
        "shape": 0.1,
        "filter": True,
    }
    made = Srft(SrftSettings(**values), {}, seed=0, steps=9)
    groups = made.rollout(0, [example()], attempts_of(*[1.0] * 7))
    terms = made.terms(0, Update("rl"), groups, [])
    of_three = coefficients(terms, {"loss": "dr_grpo"}, (0.5,) * 3, (entropy,) * 3)
    assert of_three[2][1][0] * 800 == pytest.approx(own, abs=1e-4)
    assert of_three[2][0].entropy == 1.0
    of_two = coefficients(terms, {"loss": "dr_grpo"}, (0.5,) * 2, (entropy,) * 2)
    assert of_two[0][1][0] * 2 == pytest.approx(sft, abs=1e-4)


def test_without_a_trace_only_own_rollouts_are_left() -> None:
    rows = learned(*[1.0, *[0.0] * 7], traced=False)
    assert [row.expert for row, _ in rows] == [False] * 8
