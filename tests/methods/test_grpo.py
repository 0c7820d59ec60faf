"""GRPO, and with it what every method inherits."""

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from hybrid_rl.methods.base import Plan
from hybrid_rl.methods.grpo import Grpo, GrpoSettings
from hybrid_rl.types import Attempt, Example, Result, Rollout, Update, Verdict

QUESTIONS = [Example(name, (1,), name, "2") for name in ("a", "b")]
EXAMPLES = {example.id: example for example in QUESTIONS}


class Scripted:
    """Counts its calls; the n-th attempt of a call answers with token n, right when n is even."""

    def __init__(self) -> None:
        self.calls: list[list[Attempt]] = []

    def __call__(self, attempts: Sequence[Attempt]) -> list[Rollout]:
        self.calls.append(list(attempts))
        return [
            Rollout((n,), Verdict("correct", 1.0) if n % 2 == 0 else Verdict("wrong", 0.0))
            for n in range(len(attempts))
        ]


def grpo(group_size: int = 3, steps: int = 10) -> Grpo:
    return Grpo(GrpoSettings(name="grpo", group_size=group_size), EXAMPLES, seed=0, steps=steps)


def test_a_group_holds_its_own_rollouts_in_the_order_of_the_questions() -> None:
    groups = grpo(group_size=3).rollout(0, QUESTIONS, Scripted())
    assert [group.example.id for group in groups] == ["a", "b"]
    completions = [[rollout.completion for rollout in group.rollouts] for group in groups]
    assert completions == [[(0,), (1,), (2,)], [(3,), (4,), (5,)]]
    assert [group.correct for group in groups] == [2, 1]
    assert all(group.trained and group.prefix == () for group in groups)


@pytest.mark.parametrize("questions", [[], QUESTIONS])
def test_every_rank_generates_once_whatever_it_was_given(questions: list[Example]) -> None:
    attempt = Scripted()
    grpo().rollout(0, questions, attempt)
    assert len(attempt.calls) == 1
    assert all(call.prefix == () and call.completion is None for call in attempt.calls[0])


def test_grpo_is_rl_whatever_happens() -> None:
    method = grpo()
    for step in range(10):
        assert method.next_update(step, 0.0) == Update("rl")
        method.observe_results(step, [Result("a", 0, 3)])
        method.observe_norm(step, Update("rl"), 0.0)
    assert method.state_dict() == {}
    assert method.settings.plan(10) == Plan()


def test_a_group_of_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="group_size"):
        grpo(group_size=1)


def test_an_unknown_setting_is_refused() -> None:
    wrong: dict[str, Any] = {"name": "grpo", "group_size": 4, "group_sze": 4}
    with pytest.raises(ValidationError, match="group_sze"):
        GrpoSettings(**wrong)
