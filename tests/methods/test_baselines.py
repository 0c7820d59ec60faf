"""The three arms that every hybrid is compared with, and what all methods inherit."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest
from pydantic import ValidationError

from hybrid_rl.methods.base import Plan
from hybrid_rl.methods.grpo import Grpo, GrpoSettings
from hybrid_rl.methods.sft import Sft, SftSettings
from hybrid_rl.methods.sft_then_grpo import SftThenGrpo, SftThenGrpoSettings
from hybrid_rl.types import Attempt, Example, Group, Result, Rollout, Update, Verdict

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


def sft_then_grpo(fraction: float, steps: int) -> SftThenGrpo:
    settings = SftThenGrpoSettings(name="sft_then_grpo", group_size=2, sft_fraction=fraction)
    return SftThenGrpo(settings, EXAMPLES, seed=0, steps=steps)


def test_a_group_holds_its_own_rollouts_in_the_order_of_the_questions() -> None:
    groups = grpo(group_size=3).rollout(0, QUESTIONS, Scripted())
    assert [group.example.id for group in groups] == ["a", "b"]
    completions = [[rollout.completion for rollout in group.rollouts] for group in groups]
    assert completions == [[(0,), (1,), (2,)], [(3,), (4,), (5,)]]
    assert [group.correct for group in groups] == [2, 1]
    assert all(group.trained and group.prefix == () for group in groups)


def test_a_result_counts_how_rollouts_ended() -> None:
    verdicts = [Verdict("wrong", 0.0), Verdict("truncated", 0.0), Verdict("wrong", 0.0)]
    group = Group(QUESTIONS[0], tuple(Rollout((1,), verdict) for verdict in verdicts), (7,))
    assert asdict(Result.of(group)) == {
        "example_id": "a",
        "correct": 0,
        "size": 3,
        "prefix_tokens": 1,
        "trained": True,
        "note": {},
        "outcomes": {"wrong": 2, "truncated": 1},
    }


@pytest.mark.parametrize("questions", [[], QUESTIONS])
def test_every_rank_generates_once_whatever_it_was_given(questions: list[Example]) -> None:
    attempt = Scripted()
    grpo().rollout(0, questions, attempt)
    assert len(attempt.calls) == 1
    assert all(call.prefix == () and call.completion is None for call in attempt.calls[0])


def test_grpo_is_rl_whatever_happens() -> None:
    method = grpo()
    for step in range(10):
        assert method.next_update(step) == Update("rl")
        method.observe_results(step, [Result("a", 0, 3)])
        method.observe_norm(step, Update("rl"), 0.0)
    assert method.state_dict() == {}
    assert method.settings.plan(10) == Plan()


def test_sft_is_supervised_throughout_and_never_samples() -> None:
    method = Sft(SftSettings(name="sft"), EXAMPLES, seed=0, steps=5)
    assert [method.next_update(step) for step in range(5)] == [Update("sft")] * 5
    assert method.settings.plan(5) == Plan(opening=5, fewest=5, expected=5)
    assert Sft.needs_traces
    assert method.settings.group_size is None


def test_sft_comes_first_and_each_phase_has_its_own_schedule() -> None:
    method = sft_then_grpo(0.4, steps=5)
    updates = [method.next_update(step) for step in range(5)]
    assert [update.kind for update in updates] == ["sft", "sft", "rl", "rl", "rl"]
    assert [update.schedule_position for update in updates] == pytest.approx(
        [0, 1 / 2, 0, 1 / 3, 2 / 3]
    )


def test_more_steps_after_a_resume_prolong_the_rl_phase() -> None:
    method, longer = sft_then_grpo(0.4, steps=5), sft_then_grpo(0.4, steps=10)
    longer.load_state_dict(json.loads(json.dumps(method.state_dict())))
    updates = [longer.next_update(step) for step in range(10)]
    assert [update.kind for update in updates] == ["sft"] * 2 + ["rl"] * 8
    assert [update.schedule_position for update in updates[2:]] == [since / 8 for since in range(8)]


@pytest.mark.parametrize(
    ("fraction", "steps", "expected"), [(0.43, 140, 60), (0.01, 10, 1), (0.99, 10, 9)]
)
def test_each_phase_has_at_least_one_step(fraction: float, steps: int, expected: int) -> None:
    method = sft_then_grpo(fraction, steps)
    kinds = [method.next_update(step).kind for step in range(steps)]
    assert kinds.count("sft") == expected
    assert method.settings.plan(steps) == Plan(expected, expected, expected)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1])
def test_a_fraction_that_leaves_a_phase_out_is_refused(wrong: float) -> None:
    with pytest.raises(ValidationError, match="sft_fraction"):
        sft_then_grpo(wrong, steps=10)


def test_a_group_of_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="group_size"):
        grpo(group_size=1)


def test_an_unknown_setting_is_refused() -> None:
    wrong: dict[str, Any] = {"name": "grpo", "group_size": 4, "group_sze": 4}
    with pytest.raises(ValidationError, match="group_sze"):
        GrpoSettings(**wrong)
