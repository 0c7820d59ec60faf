"""What an update in progress gathers and counts, on one rank."""

import pytest

pytest.importorskip("torch")

from hybrid_rl.recording.budget import Spent
from hybrid_rl.training.update import UpdateInProgress
from hybrid_rl.types import Example, Group, Result, Rollout, Update, Verdict

EXAMPLE = Example("q", (2, 3), "2 3", "5")
ROLLOUTS = (Rollout((4, 1), Verdict("correct", 1.0)), Rollout((5,), Verdict("wrong", 0.0)))


def test_groups_are_counted_and_told_with_the_rewards_of_trained_rows() -> None:
    now = UpdateInProgress(Update("rl"))
    trained, left_out = Group(EXAMPLE, ROLLOUTS), Group(EXAMPLE, ROLLOUTS, (6,), trained=False)
    now.take_groups([trained, left_out], with_reference=True)
    assert now.results == [Result.of(trained), Result.of(left_out)]
    assert now.rewards == [1.0, 0.0]
    assert now.trained == [True, True, False, False]
    # 2 + 2 and 2 + 1 tokens in each group, and a prefix of one token before both rows of the second.
    assert (now.cost.trained_tokens, now.cost.backward_tokens) == (6, 16)
    assert now.cost.reference_tokens == 16


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
