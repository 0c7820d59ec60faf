"""A run ends when dev gets no better, at the same step and with the same weights after any stop and resume."""

from collections.abc import Mapping
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

pytest.importorskip("torch")

from hybrid_rl.execution import stopping
from hybrid_rl.recording import checkpoints
from hybrid_rl.training import save_and_stop
from hybrid_rl.training.trainer import HybridTrainer
from tests.fakes import tiny
from tests.training.test_trainer import build, weights

pytestmark = pytest.mark.slow

FOUND = {1: 0.2, 2: 0.4, 3: 0.4, 4: 0.3, 5: 0.9}
"""The accuracy after each step; with a patience of 2 the run ends after the fourth."""


class Dev(tiny.OnDev):
    def evaluate(self, step: int, axes: Mapping[str, float]) -> float:  # type: ignore[override]
        super().evaluate(step, axes)
        return FOUND[step]


def trained(directory: Path, resume: bool = False) -> tuple[HybridTrainer, list[int]]:
    trainer, _ = build(
        directory, "sft", train__steps=5, train__eval_every=1, train__patience=2,
        train__save_every=3,
    )  # fmt: skip
    trainer.add_callback(save_and_stop.SaveAndStop())
    on_dev: Any = Dev()
    trainer.run(on_dev, checkpoints.complete(directory / "checkpoints")[-1] if resume else None)
    return trainer, on_dev.evaluated


def test_a_run_stops_early_and_a_resume_stops_at_the_same_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, looks = trained(tmp_path / "straight")
    assert (straight.state.global_step, looks) == (4, [1, 2, 3, 4])
    saved = checkpoints.complete(tmp_path / "straight" / "checkpoints")
    assert [path.name for path in saved] == ["checkpoint-3", "checkpoint-4"]

    # Asked to stop in the third or fourth update: its look is made up for after the resume.
    for cut in (3, 4):
        monkeypatch.setattr(stopping, "_requested", None)
        original = HybridTrainer.training_step

        def asked(self: Any, *args: Any, cut: int = cut, original: Any = original) -> Any:
            if self.state.global_step == cut - 1:
                stopping.request(SIGTERM)
            return original(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(HybridTrainer, "training_step", asked)
            stopped, _ = trained(tmp_path / f"cut{cut}")
        assert stopped.state.global_step == cut
        monkeypatch.setattr(stopping, "_requested", None)
        again, looks = trained(tmp_path / f"cut{cut}", resume=True)
        assert (again.state.global_step, looks) == (4, [*range(cut, 5)])
        assert weights(again).equal(weights(straight))

    # A run that was cut off in its last evaluation trains no further.
    over, _ = trained(tmp_path / "straight", resume=True)
    assert over.state.global_step == 4
    assert weights(over).equal(weights(straight))
