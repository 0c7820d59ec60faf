"""Passes over the training set end a run, and shares of the run and schedules follow them."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from hybrid_rl.execution import stopping
from hybrid_rl.recording import checkpoints
from hybrid_rl.training.trainer import HybridTrainer
from tests.fakes import tiny
from tests.training.test_trainer import build, weights

pytestmark = pytest.mark.slow


def built(directory: Path) -> tuple[HybridTrainer, tiny.Remember]:
    """Of 2 passes over 8 questions half is SFT: a step of it takes all 8, and one of RL takes 4."""
    return build(
        directory, "sft_then_grpo", tiny.examples(8), method__sft_fraction=0.5, train__steps=100,
        train__epochs=2, train__save_every=2, train__rl__schedule="linear", train__rl__floor=0,
        train__rl__learning_rate=1e-3,
    )  # fmt: skip


def test_two_epochs_of_a_hybrid_are_one_of_sft_and_one_of_rl_also_after_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "_requested", None)
    straight, recorder = built(tmp_path)
    straight.run()
    assert recorder.column("kind") == ["sft", "rl", "rl"]
    assert recorder.column("epochs") == [1.0, 1.5, 2.0]
    assert recorder.column("learning_rate")[1:] == pytest.approx([1e-3, 5e-4])
    saved = checkpoints.complete(tmp_path / "checkpoints")
    assert [path.name for path in saved] == ["checkpoint-2", "checkpoint-3"]

    again, recorder = built(tmp_path)
    again.run(None, saved[0])
    assert recorder.column("epochs") == [2.0]
    assert weights(again).equal(weights(straight))
