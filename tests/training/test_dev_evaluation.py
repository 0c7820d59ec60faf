"""What is recorded of dev during training, and which weights are weighed by it."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from hybrid_rl.evaluation.scores import SetSummary, summarise
from hybrid_rl.recording.budget import Spent
from hybrid_rl.training.best_model import BestModel
from hybrid_rl.training.dev_evaluation import DevEvaluation
from tests.fakes import recorded, tiny


def summary(correct: int) -> SetSummary:
    """Of four questions, so many are answered correctly."""
    outcomes = ["correct"] * correct + ["wrong"] * (4 - correct)
    return summarise(recorded.rows(outcomes, [[]] * 4))  # type: ignore[arg-type]  # words, not a Literal


def save(directory: Path) -> None:
    directory.mkdir()


def test_each_step_is_recorded_with_what_was_spent_and_the_best_is_kept(tmp_path: Path) -> None:
    found = {2: summary(1), 4: summary(3), 6: summary(2)}
    recorder, best = tiny.Remember(), BestModel(tmp_path / "best_model", save)
    on_dev = DevEvaluation(found.get, recorder, best)
    for step in found:
        on_dev.evaluate(step, {"flops": 10.0 * step})
    assert [(line["step"], line["greedy"], line["flops"]) for line in recorder.dev_lines] == [
        (2, 0.25, 20.0),
        (4, 0.75, 40.0),
        (6, 0.5, 60.0),
    ]
    assert best.step == 4
    checkpoint = tmp_path / "checkpoint-6"
    checkpoint.mkdir()
    on_dev.keep_with(checkpoint)
    assert (checkpoint / "best_model" / "dev.json").exists()


def test_before_training_nothing_is_spent_and_nothing_is_chosen(tmp_path: Path) -> None:
    measured: list[int] = []

    def measure(step: int) -> SetSummary:
        measured.append(step)
        return summary(4)

    recorder, best = tiny.Remember(), BestModel(tmp_path / "best_model", save)
    on_dev = DevEvaluation(measure, recorder, best)
    on_dev.begin(summary(2))
    assert measured == []
    on_dev.begin(None)
    assert measured == [0]
    assert [(line["step"], line["greedy"]) for line in recorder.dev_lines] == [(0, 0.5), (0, 1.0)]
    assert recorder.dev_lines[0].items() > Spent().axes().items()
    assert best.step is None


def test_without_a_dev_set_nothing_is_recorded() -> None:
    recorder = tiny.Remember()
    on_dev = DevEvaluation(lambda step: None, recorder)
    on_dev.begin(None)
    on_dev.evaluate(2, {})
    assert recorder.dev_lines == []
