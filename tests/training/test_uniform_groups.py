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


class EqualAtFirst(Equal):
    """The groups of the first calls are uniform, those of later ones are not."""

    uniform_calls = 0
    asked: list[list[str]]

    def rollout(self, step: int, examples: Any, attempt: Attempts) -> list[Group]:
        self.asked = [*getattr(self, "asked", []), [example.id for example in examples]]
        self.odd = None if len(self.asked) <= self.uniform_calls else 1.2
        return super().rollout(step, examples, attempt)


@pytest.mark.parametrize(
    ("uniform_calls", "refill", "calls", "silent"),
    [(2, 3, 3, False), (2, 1, 2, True), (2, 0, 1, True), (0, 3, 1, False)],
)
def test_an_update_without_signal_takes_other_questions_up_to_a_cap(
    tmp_path: Path, uniform_calls: int, refill: int, calls: int, silent: bool
) -> None:
    more = {"train__steps": 1, "train__prompts_per_step": 3, "guards__refill": refill}
    method = EqualAtFirst(tiny.settings(tmp_path, **more).method, {}, seed=0, steps=1)
    method.uniform_calls = uniform_calls
    trainer, recorder = build(tmp_path, examples=tiny.examples(12), instance=method, **more)
    trainer.train()
    assert len(method.asked) == calls
    assert len({name for names in method.asked for name in names}) == 3 * calls
    told = [group["example_id"] for group in recorder.decisions[0]["groups"]]
    assert told == method.asked[-1]
    assert recorder.metrics[0].get("refills", 0) == calls - 1
    assert (recorder.column("zero_advantage_groups") == [1.0]) == silent
    assert trainer.position.questions.taken == 3 * calls
