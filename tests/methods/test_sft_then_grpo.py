"""SFT, then GRPO: two phases of one run."""

import json

import pytest
from pydantic import ValidationError

from hybrid_rl.methods.base import Plan
from hybrid_rl.methods.sft_then_grpo import SftThenGrpo, SftThenGrpoSettings


def sft_then_grpo(fraction: float, steps: int) -> SftThenGrpo:
    settings = SftThenGrpoSettings(name="sft_then_grpo", group_size=2, sft_fraction=fraction)
    return SftThenGrpo(settings, {}, seed=0, steps=steps)


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
