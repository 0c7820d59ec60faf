"""The watch over the optimizer's step: update norms by hand, and zero gradients that move nothing."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.methods.base import Method
from hybrid_rl.training.optimizer_step import squared_distance
from hybrid_rl.types import Update
from tests.fakes import tiny
from tests.training.test_guard import states
from tests.training.test_trainer import build, weights


def test_the_squared_distance_by_hand() -> None:
    """3 - 1 = 2, 4 - 4 = 0, -1 - 5 = -6: 4 + 0 + 36; it is exact in bfloat16 too."""
    for dtype in (torch.float32, torch.bfloat16):
        pairs = [([3.0, 4.0], [1.0, 4.0]), ([-1.0], [5.0])]
        tensors = [(torch.tensor(a, dtype=dtype), torch.tensor(b, dtype=dtype)) for a, b in pairs]
        assert float(squared_distance(tensors)) == pytest.approx(40.0)


class NoSignal(Method):
    """SFT and RL in turn, where no group of RL has an advantage: with one rollout right or wrong as all others."""

    def next_update(self, step: int, progress: float) -> Update:
        return Update("sft" if step % 2 == 0 else "rl")

    def rollout(self, step: int, examples: Any, attempt: Any) -> Any:
        groups = super().rollout(step, examples, attempt)
        return [
            type(group)(group.example, (group.rollouts[0],) * len(group.rollouts))
            for group in groups
        ]


def in_turns(tmp_path: Path, **options: Any) -> Any:
    method = NoSignal(tiny.settings(tmp_path).method, {}, seed=0, steps=4)
    return build(tmp_path, "grpo", instance=method, **options)


@pytest.mark.slow
def test_a_zero_gradient_moves_nothing(tmp_path: Path) -> None:
    """Not even with weight decay; the step still counts and is charged."""
    trainer, recorder = in_turns(tmp_path, train__weight_decay=0.1)
    seen = states(trainer)
    trainer.train()
    assert [norm == 0.0 for norm in recorder.column("grad_norm")] == [False, True, False, True]
    assert [line.get("zero_gradient", 0) for line in recorder.metrics] == [0, 1, 0, 1]
    for step in (2, 4):
        (before, moments), (after, same_moments) = seen[step - 1], seen[step]
        assert torch.equal(before, after)
        assert all(torch.equal(a, b) for a, b in zip(moments, same_moments, strict=True))
    assert not torch.equal(seen[2][0], seen[3][0])
    assert recorder.column("step") == [1, 2, 3, 4]
    generated = recorder.column("generated_tokens")
    assert 0 == generated[0] < generated[1] == generated[2] < generated[3]


@pytest.mark.slow
def test_adam_may_step_on_as_in_plain_trl(tmp_path: Path) -> None:
    trainer, recorder = in_turns(tmp_path, train__step_on_zero_gradient="true")
    seen = states(trainer)
    trainer.train()
    assert not any("zero_gradient" in line for line in recorder.metrics)
    assert not torch.equal(seen[1][0], seen[2][0])


@pytest.mark.slow
def test_the_update_norm_is_how_far_the_weights_moved(tmp_path: Path) -> None:
    trainer, recorder = in_turns(tmp_path)
    start = weights(trainer).clone().double()
    seen = states(trainer)
    trainer.train()
    places = [start, *(seen[step][0].double() for step in (1, 2, 3, 4))]
    moved = [float((b - a).norm()) for a, b in pairwise(places)]
    assert recorder.column("update_norm") == pytest.approx(moved, rel=1e-6)
    assert moved[1] == moved[3] == 0.0
    # Adam's first step is the rate for every weight that has a gradient to speak of.
    rate = trainer.settings.train.sft.learning_rate
    assert 0.5 < moved[0] / (rate * math.sqrt(start.numel())) <= 1.0


@pytest.mark.slow
def test_the_update_norm_may_be_left_out(tmp_path: Path) -> None:
    trainer, recorder = in_turns(tmp_path, train__update_norm="false")
    trainer.train()
    assert not any("update_norm" in line for line in recorder.metrics)


@pytest.mark.slow
def test_a_skipped_update_has_moved_nothing(tmp_path: Path) -> None:
    trainer, recorder = build(tmp_path, "sft", guards__non_finite="skip")
    next(trainer.model.parameters()).register_hook(
        lambda gradient: gradient * (math.nan if trainer.state.global_step == 1 else 1.0)
    )
    trainer.train()
    assert [norm == 0.0 for norm in recorder.column("update_norm")] == [False, True, False, False]
