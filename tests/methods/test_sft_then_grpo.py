"""SFT, then GRPO: two phases of one run."""

import json
from typing import Literal

import pytest
from pydantic import ValidationError

from hybrid_rl.methods.base import Plan
from hybrid_rl.methods.sft_then_grpo import SftThenGrpo, SftThenGrpoSettings
from tests.fakes.schedules import positions


def sft_then_grpo(
    fraction: float, steps: int, moments: Literal["shared", "by_kind"] = "by_kind"
) -> SftThenGrpo:
    settings = SftThenGrpoSettings(
        name="sft_then_grpo", group_size=2, sft_fraction=fraction, moments=moments
    )
    return SftThenGrpo(settings, {}, seed=0, steps=steps)


def test_sft_comes_first_and_each_phase_has_its_own_schedule() -> None:
    method = sft_then_grpo(0.4, steps=5)
    updates = [method.next_update(step, step / method.steps) for step in range(5)]
    assert [update.kind for update in updates] == ["sft", "sft", "rl", "rl", "rl"]
    assert positions(updates, range(5), of=5) == pytest.approx([0, 1 / 2, 0, 1 / 3, 2 / 3])


def test_a_budget_that_ends_the_run_ends_its_phases() -> None:
    """Of 100 FLOPs an SFT update takes 8 and one of RL 20: 0.2 of them are over after 3 updates, at 24."""
    method, spent, seen = sft_then_grpo(0.2, steps=1000), 0, []
    for step in range(6):
        update = method.next_update(step, spent / 100)
        seen.append((update.kind, update.schedule_span.position(step, spent / 100)))
        spent += 8 if update.kind == "sft" else 20
    assert [kind for kind, _ in seen] == ["sft"] * 3 + ["rl"] * 3
    expected = [0, 8 / 20, 16 / 20, 0, 20 / 76, 40 / 76]
    assert [position for _, position in seen] == pytest.approx(expected)


def test_the_model_at_the_end_of_sft_becomes_the_reference_once() -> None:
    method = sft_then_grpo(0.4, steps=5)
    assert [method.next_update(step, step / 5).renew_reference for step in range(5)] == [
        *(False, False, True, False, False)
    ]


def test_more_steps_after_a_resume_prolong_the_rl_phase() -> None:
    """After 3 of 5 steps, of which 2 were SFT, it goes on to 10: RL has the other 8 for its schedule."""
    method, longer = sft_then_grpo(0.4, steps=5), sft_then_grpo(0.4, steps=10)
    for step in range(3):
        method.next_update(step, step / 5)
    longer.load_state_dict(json.loads(json.dumps(method.state_dict())))
    longer.rescale_progress((3 / 10) / (3 / 5))
    updates = [longer.next_update(step, step / 10) for step in range(3, 10)]
    assert {update.kind for update in updates} == {"rl"}
    assert positions(updates, range(3, 10), of=10) == pytest.approx([i / 8 for i in range(1, 8)])


def test_more_steps_after_a_resume_within_sft_prolong_both_phases() -> None:
    method, longer = sft_then_grpo(0.4, steps=5), sft_then_grpo(0.4, steps=10)
    method.next_update(0, 0.0)
    longer.load_state_dict(json.loads(json.dumps(method.state_dict())))
    longer.rescale_progress((1 / 10) / (1 / 5))
    kinds = [longer.next_update(step, step / 10).kind for step in range(1, 10)]
    assert kinds == ["sft"] * 3 + ["rl"] * 6


@pytest.mark.parametrize(
    ("fraction", "steps", "expected"),
    [(0.428, 140, 60), (0.2, 300, 60), (0.01, 10, 1), (0.99, 10, 9)],
)
def test_each_phase_has_at_least_one_step(fraction: float, steps: int, expected: int) -> None:
    method = sft_then_grpo(fraction, steps)
    kinds = [method.next_update(step, step / method.steps).kind for step in range(steps)]
    assert kinds.count("sft") == expected
    assert method.settings.plan(steps) == Plan(expected, expected, expected)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1])
def test_a_fraction_that_leaves_a_phase_out_is_refused(wrong: float) -> None:
    with pytest.raises(ValidationError, match="sft_fraction"):
        sft_then_grpo(wrong, steps=10)


def test_rl_begins_with_fresh_moments_and_those_of_sft_are_deleted() -> None:
    method = sft_then_grpo(0.5, steps=4)
    updates = [method.next_update(step, step / 4) for step in range(4)]
    assert [update.moments for update in updates] == ["sft", "sft", "rl", "rl"]
    assert [update.drop_resting_moments for update in updates] == [False, False, True, True]
    assert method.settings.moment_sets == 1


def test_rl_may_go_on_with_the_moments_of_sft() -> None:
    method = sft_then_grpo(0.5, steps=4, moments="shared")
    assert {method.next_update(step, step / 4).moments for step in range(4)} == {"shared"}


def test_one_step_cannot_be_both_phases() -> None:
    settings = sft_then_grpo(0.5, steps=2).settings
    assert settings.plan(2).opening == 1
    with pytest.raises(
        ValueError, match=r"^train\.steps = 1: method=sft_then_grpo has a step of SFT"
    ):
        settings.plan(1)
