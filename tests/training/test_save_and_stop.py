"""A stop and the evaluation on dev: the checkpoint comes first, and no evaluation is lost."""

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


@pytest.fixture(autouse=True)
def not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_requested", None)


def built(directory: Path) -> tuple[HybridTrainer, tiny.Remember]:
    trainer, recorder = build(directory, train__eval_every=2)
    trainer.add_callback(save_and_stop.SaveAndStop())
    return trainer, recorder


def saved(directory: Path) -> list[str]:
    return [path.name for path in checkpoints.complete(directory / "checkpoints")]


def go_on(directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, tiny.OnDev]:
    monkeypatch.setattr(stopping, "_requested", None)
    trainer, _ = built(directory)
    on_dev = tiny.OnDev()
    trainer.run(on_dev, checkpoints.complete(directory / "checkpoints")[-1])
    return weights(trainer), on_dev


def test_asked_before_an_evaluation_it_saves_and_a_resume_evaluates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, _ = built(tmp_path / "straight")
    expected, on_dev = tiny.OnDev(), tiny.OnDev()
    straight.run(expected)
    assert expected.evaluated == [2, 4]
    trainer, recorder = built(tmp_path / "cut")

    def asked(metrics: dict[str, Any], decision: dict[str, Any]) -> None:
        if metrics["step"] == 2:
            stopping.request(SIGTERM)

    monkeypatch.setattr(recorder, "update", asked)
    trainer.run(on_dev)
    assert (on_dev.evaluated, saved(tmp_path / "cut")) == ([], ["checkpoint-2"])
    found, again = go_on(tmp_path / "cut", monkeypatch)
    assert again.evaluated == expected.evaluated
    assert found.equal(weights(straight))


def test_asked_during_an_evaluation_it_saves_that_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(tiny.OnDev):
        def evaluate(self, step: int, axes: Mapping[str, float]) -> None:
            super().evaluate(step, axes)
            stopping.request(SIGTERM)

    trainer, _ = built(tmp_path)
    on_dev = Asked()
    trainer.run(on_dev)
    assert (on_dev.evaluated, saved(tmp_path)) == ([2], ["checkpoint-2"])
    _, again = go_on(tmp_path, monkeypatch)
    assert again.evaluated == [4]
