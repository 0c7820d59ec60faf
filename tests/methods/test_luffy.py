"""LUFFY: the expert in the group, its advantage and its shaped tokens, by the vectors of the published code."""

from typing import Any

import pytest

from hybrid_rl.methods.luffy import Luffy, LuffySettings
from hybrid_rl.types import Example, Group, Update
from tests.fakes.reference_row import attempts_of, coefficients, example

ALL_WRONG = (0.0,) * 7


def method(**changes: Any) -> Luffy:
    values = {"name": "luffy", "group_size": 8, "shape": 0.1, "factor": "shaped", "filter": True}
    return Luffy(LuffySettings(**{**values, **changes}), {}, seed=0, steps=9)


def group_of(
    *rewards: float, expert: float = 1.0, asked: Example | None = None, **changes: Any
) -> Group:
    attempt = attempts_of(*rewards, expert=expert)
    (group,) = method(**changes).rollout(0, [asked or example()], attempt)
    return group


def learned(group: Group, rl: dict[str, Any] | None = None, **changes: Any) -> list[list[float]]:
    """c of each row, times the 8 rows and the row's tokens: the advantage times the factor."""
    terms = method(**changes).terms(0, Update("rl"), [group], [])
    return [[c * 8 * len(row.target) for c in found] for row, found in coefficients(terms, rl)]


def test_the_expert_has_the_advantage_of_a_success_and_its_tokens_the_shaped_factor() -> None:
    rows = learned(group_of(1, 1, 0, 0, 0, 0, 0))
    assert rows[0] == pytest.approx([0.625] * 3)
    assert rows[2] == pytest.approx([-0.375] * 3)
    assert rows[7] == pytest.approx([0.13889, 0.06836], abs=1e-5)


def test_the_spread_of_the_group_counts_the_expert() -> None:
    scaled = {"scale_rewards": "group"}
    rows = learned(group_of(1, 1, 0, 0, 0, 0, 0), scaled, factor="one")
    assert rows[7] == pytest.approx([1.2073, 1.2073], abs=3e-4)  # 1e-4 is added to the spread


def test_where_all_fail_the_expert_teaches_and_where_all_succeed_nothing_does() -> None:
    rows = learned(group_of(*ALL_WRONG), factor="one")
    assert rows[7] == pytest.approx([0.875, 0.875])
    assert rows[0] == pytest.approx([-0.125] * 3)
    assert learned(group_of(*[1.0] * 7)) == [[0.0] * 3] * 7 + [[0.0] * 2]


def test_a_demonstration_that_fails_the_verifier_is_left_out_or_unlearned() -> None:
    left_out = group_of(1, 0, 0, 0, 0, 0, 0, expert=0.0)
    assert (len(left_out.rollouts), left_out.note["expert"]) == (7, "fails the verifier")
    assert learned(left_out)[0] == pytest.approx([6 / 7] * 3)  # of 8 rows, one is empty
    kept = group_of(1, 0, 0, 0, 0, 0, 0, expert=0.0, filter=False)
    assert learned(kept, factor="one")[7] == pytest.approx([-0.125] * 2)


def test_a_question_without_a_trace_has_rollouts_of_its_own_alone() -> None:
    group = group_of(1, 0, 0, 0, 0, 0, 0, 0, asked=example(traced=False))
    assert (len(group.rollouts), group.note) == (8, {"expert": "no trace"})
    assert learned(group)[0] == pytest.approx([0.875] * 3)


def test_what_it_notes_is_the_expert_s_lead() -> None:
    assert group_of(1, 1, 0, 0, 0, 0, 0).note == {"expert": "in group", "expert_advantage": 0.625}


def test_the_expert_s_row_is_the_expert_s_and_ends_as_it_was_graded() -> None:
    (term,) = method().terms(0, Update("rl"), [group_of(*ALL_WRONG)], [])
    assert [row.expert for row in term.rows] == [False] * 7 + [True]
    assert term.rows[7].target == (4, 1)
