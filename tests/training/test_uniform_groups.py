"""Groups of equal rewards, some of which no float holds exactly: no advantage, no step, and all who look see it."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.methods.base import Method
from hybrid_rl.types import Attempts, Example, Group, Rollout, Verdict
from tests.fakes import tiny
from tests.training.test_trainer import build, weights

pytestmark = pytest.mark.slow

REWARDS = (0.2, 0.7, 1.2)
"""What `reward=roles_format` pays for half of the roles, all of them, and all in the right form."""


class Equal(Method):
    """Each group has a reward of its own, and one of REWARDS for all of its rollouts; but for `odd`, if it is set."""

    odd: float | None = None

    def rollout(self, step: int, examples: Any, attempt: Attempts) -> list[Group]:
        assert self.settings.group_size is not None
        return [self._group(index, example) for index, example in enumerate(examples)]

    def _group(self, index: int, example: Example) -> Group:
        rewards = [REWARDS[index % len(REWARDS)]] * (self.settings.group_size or 0)
        if index == 0 and self.odd is not None:
            rewards[0] = self.odd
        rollouts = (
            Rollout((2 + i % 9, 3 + i % 7, 1), Verdict("wrong", reward))
            for i, reward in enumerate(rewards)
        )
        return Group(example, tuple(rollouts))


def one_step(directory: Path, size: int, odd: float | None = None, **more: Any) -> Any:
    """The trainer and its recorder after one update on three groups of `size`."""
    more |= {"method__group_size": size, "train__steps": 1, "train__prompts_per_step": 3}
    method = Equal(tiny.settings(directory, **more).method, {}, seed=0, steps=1)
    method.odd = odd
    trainer, recorder = build(directory, instance=method, **more)
    before = weights(trainer)
    trainer.train()
    return before, weights(trainer), recorder


@pytest.mark.parametrize("saves", [True, False])
@pytest.mark.parametrize("scale", ["group", "batch", "none"])
@pytest.mark.parametrize("size", [8, 16])
def test_equal_rewards_move_no_weight(tmp_path: Path, size: int, scale: str, saves: bool) -> None:
    more: dict[str, Any] = {f"speed__{name}": saves for name in SpeedSettings.model_fields}
    more |= {"train__rl__scale_rewards": scale}
    more |= {
        f"guards__zero_variance__{key}": value for key, value in (("above", 0.9), ("steps", 1))
    }
    before, after, recorder = one_step(tmp_path, size, **more)
    assert {row["advantage"] for row in recorder.rows} == {0.0}
    assert recorder.column("grad_norm") == [0.0]
    assert torch.equal(before, after)
    assert recorder.column("zero_advantage_groups") == [1.0]
    assert recorder.metrics[0]["alarm/zero_variance"] == 1
    assert [group["uniform"] for group in recorder.decisions[0]["groups"]] == [True] * 3


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_a_group_with_one_other_reward_alone_has_advantages(tmp_path: Path, scale: str) -> None:
    before, after, recorder = one_step(tmp_path, 16, odd=1.2, train__rl__scale_rewards=scale)
    advantages = [row["advantage"] for row in recorder.rows]
    assert advantages[0] > 0 > max(advantages[1:16])
    assert set(advantages[16:]) == {0.0}
    assert recorder.column("zero_advantage_groups") == [pytest.approx(2 / 3)]
    assert not torch.equal(before, after)
