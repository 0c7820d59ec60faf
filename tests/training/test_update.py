"""What an update in progress gathers and counts, on one rank."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")

from hybrid_rl.recording.budget import Spent
from hybrid_rl.training.update import UpdateInProgress
from hybrid_rl.types import (
    Demonstration,
    Example,
    Group,
    Result,
    Rollout,
    Trace,
    Update,
    Verdict,
)

EXAMPLE = Example("q", (2, 3), "2 3", "5")
ROLLOUTS = (Rollout((4, 1), Verdict("correct", 1.0)), Rollout((5,), Verdict("wrong", 0.0)))


def test_groups_are_counted_and_told_with_the_rewards_of_trained_rows() -> None:
    now = UpdateInProgress(Update("rl"))
    trained, left_out = Group(EXAMPLE, ROLLOUTS), Group(EXAMPLE, ROLLOUTS, (6,), trained=False)
    now.take_groups([trained, left_out], with_reference=True)
    assert now.results == [Result.of(trained), Result.of(left_out)]
    assert now.rewards == [1.0, 0.0]
    assert now.trained == [True, True, False, False]
    # 2 + 2 and 2 + 1 tokens in the first group; of the second nothing is trained on.
    assert (now.cost.trained_tokens, now.cost.backward_tokens) == (3, 7)
    assert now.cost.reference_tokens == 7


def test_a_uniform_group_counts_in_full_and_its_rows_are_told() -> None:
    now = UpdateInProgress(Update("rl"))
    equal = Group(EXAMPLE, (ROLLOUTS[1], ROLLOUTS[1]))
    now.take_groups([Group(EXAMPLE, ROLLOUTS), equal], with_reference=False)
    assert now.uniform_rows == [False, False, True, True]
    assert (now.cost.trained_tokens, now.cost.backward_tokens) == (3 + 2, 7 + 6)


def test_a_measured_norm_costs_its_passes_and_uses_no_trace() -> None:
    trace = Trace("4", ids=(4,), ends=(1,), answer_start=1)
    example, rows = replace(EXAMPLE, trace=trace), [Demonstration((2, 3), (4, 1))]
    spent = {}
    for measures in (False, True):
        now = UpdateInProgress(Update("sft", measure_only=measures))
        now.take_demonstrations([example], rows)
        assert now.target_tokens == 2
        spent[measures] = Spent()
        now.charge(spent[measures], parameters=10)
    assert (spent[False].trained_tokens, spent[False].trace_tokens) == (2, {"q": 1})
    assert (spent[True].trained_tokens, spent[True].trace_tokens) == (0, {})
    assert spent[True].flops == spent[False].flops == 10 * 6 * 4


def test_where_all_groups_are_trained_no_row_is_marked() -> None:
    now = UpdateInProgress(Update("rl"))
    now.take_groups([Group(EXAMPLE, ROLLOUTS)], with_reference=False)
    assert now.trained is None
    assert now.cost.reference_tokens == 0


def test_a_charge_adds_the_cost_and_the_time_since_the_update_began() -> None:
    spent, now = Spent(), UpdateInProgress(Update("rl"))
    now.cost.generated_tokens = 7
    now.started -= 5.0
    seconds = now.charge(spent, parameters=10)
    assert seconds == pytest.approx(5.0, abs=1.0)
    assert (spent.generated_tokens, spent.flops) == (7, 140.0)
    assert spent.wall_seconds == seconds
