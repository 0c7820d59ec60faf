"""HPT: the gate, and what a demonstration weighs that takes the place of a group."""

from typing import Any

import pytest

from hybrid_rl.methods.hpt import Hpt, HptSettings
from hybrid_rl.types import Group, Update
from tests.fakes.reference_row import attempts_of, coefficients, example


def method(group_size: int = 8, **changes: Any) -> Hpt:
    values = {"name": "hpt", "group_size": group_size, "gate": 0, "sft_scale": 1.0, "control": None}
    return Hpt(HptSettings(**{**values, **changes}), {}, seed=0, steps=9)


def groups_of(made: Hpt, *solved: int, traced: bool = True) -> list[Group]:
    """A group for each number of correct rollouts."""
    size = made.settings.group_size
    rewards = [float(place < right) for right in solved for place in range(size)]
    asked = [example(f"q{place}", traced) for place in range(len(solved))]
    return made.rollout(0, asked, attempts_of(*rewards))


def gated(made: Hpt, *solved: int, traced: bool = True) -> list[bool]:
    return [group.note["gated"] for group in groups_of(made, *solved, traced=traced)]


def test_the_gate_is_the_most_correct_rollouts_of_a_question_that_is_taught() -> None:
    assert gated(method(), 0, 1, 2, 3) == [True, False, False, False]
    assert gated(method(gate=2), 0, 1, 2, 3) == [True, True, True, False]
    assert gated(method(gate=2), 0, 1, traced=False) == [False, False]


def test_every_question_weighs_the_same() -> None:
    made = method(group_size=4)
    rows = coefficients(made.terms(0, Update("rl"), groups_of(made, 2, 0), []))
    assert [len(found) for _, found in rows] == [3, 3, 3, 3, 2]
    assert rows[0][1] == pytest.approx([0.0208] * 3, abs=1e-4)
    assert rows[4][1] == pytest.approx([0.25, 0.25])
    assert sum(
        c * loss for c, loss in zip(rows[4][1], (1.6094, 0.3567), strict=True)
    ) == pytest.approx(0.4915, abs=1e-4)


def test_a_step_in_which_every_group_is_gated_is_sft_and_one_in_which_none_is_is_grpo() -> None:
    made = method(group_size=4)
    taught = coefficients(made.terms(0, Update("rl"), groups_of(made, 0, 0), []))
    assert [row.expert for row, _ in taught] == [True, True]
    own = coefficients(made.terms(0, Update("rl"), groups_of(made, 2, 4), []))
    assert [found[0] * 24 for _, found in own] == pytest.approx([0.5, 0.5, -0.5, -0.5, 0, 0, 0, 0])
    assert made.terms(0, Update("rl"), [], [])[0].rows == []


def test_random_gating_takes_as_many_questions() -> None:
    made = method(control="random")
    assert sum(gated(made, 0, 3, 8, 0, 1, 2)) == 2
    draws = {tuple(gated(method(control="random"), *order)) for order in ((0, 3, 8), (8, 8, 0))}
    assert len(draws) == 1  # not a matter of who failed


def test_a_gate_that_every_group_passes_is_refused() -> None:
    with pytest.raises(
        ValueError, match="gate = 8: with group_size = 8 every question would be SFT"
    ):
        method(gate=8)
