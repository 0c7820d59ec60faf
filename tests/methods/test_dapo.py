"""Dynamic sampling of DAPO: rounds until enough groups are mixed, within a cap, in as many calls on every rank."""

from collections.abc import Sequence
from typing import Any

import pytest

from hybrid_rl.methods.dapo import Dapo, DapoSettings
from hybrid_rl.types import Attempt, Group, Rollout
from tests.fakes.reference_row import example, rollouts

MIXED, FAILED, SOLVED = (1.0, 0.0), (0.0, 0.0), (1.0, 1.0)


def method(**changes: Any) -> Dapo:
    values = {"name": "dapo", "group_size": 2, "pool": 3, "rounds": 3}
    return Dapo(DapoSettings(**{**values, **changes}), {}, seed=0, steps=9)


def played(made: Dapo, *rewards: Sequence[float]) -> tuple[list[Group], list[int]]:
    """The groups of as many candidates, and the number of attempts in each call."""
    calls: list[int] = []
    asked = [example(f"q{place}") for place in range(len(rewards))]
    known = dict(zip((one.id for one in asked), map(rollouts, rewards), strict=True))

    def attempt(attempts: Sequence[Attempt]) -> list[Rollout]:
        calls.append(len(attempts))
        return [known[one.example.id][place % 2] for place, one in enumerate(attempts)]

    return made.rollout(0, asked, attempt), calls


def test_a_first_round_of_mixed_groups_is_enough_and_later_ones_sample_nothing() -> None:
    groups, calls = played(method(), MIXED, MIXED, FAILED, FAILED, MIXED, MIXED)
    assert [group.example.id for group in groups] == ["q0", "q1"]
    assert calls == [4, 0, 0]
    assert groups[0].note == {"mixed": True, "drawn": 1.0}


def test_it_draws_on_until_there_are_enough() -> None:
    groups, calls = played(method(), FAILED, MIXED, SOLVED, MIXED, MIXED, MIXED)
    assert [group.example.id for group in groups] == ["q1", "q3"]
    assert calls == [4, 4, 0]
    assert groups[0].note["drawn"] == 2.0


def test_beyond_the_cap_others_fill_up_and_are_not_trained_on() -> None:
    groups, calls = played(method(), FAILED, SOLVED, FAILED, SOLVED, FAILED, MIXED)
    assert [(group.example.id, group.trained) for group in groups] == [("q5", True), ("q0", False)]
    assert calls == [4, 4, 4]


def test_the_pool_is_drawn_for_every_question_and_counts_as_work() -> None:
    settings = method(pool=4, rounds=2).settings
    assert (settings.candidates, settings.extra_rollouts) == (4, 6)
    with pytest.raises(ValueError, match="rounds = 4: with pool = 3 candidates"):
        method(rounds=4)
