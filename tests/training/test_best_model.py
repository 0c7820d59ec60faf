"""The weights that were best on dev: chosen by dev alone, kept whole, the same after a resume."""

import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForCausalLM

from hybrid_rl import run
from hybrid_rl.errors import SettingsError
from hybrid_rl.evaluation.evaluator import Evaluator
from hybrid_rl.evaluation.scores import SetSummary, read_summaries
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.training.best_model import BestModel
from tests.conftest import Load
from tests.runs.test_run import carried_out


class Weights:
    """Stands in for a model: its weights are a word in a file."""

    def __init__(self) -> None:
        self.word = ""

    def save(self, directory: Path) -> None:
        directory.mkdir()
        (directory / "weights").write_text(self.word)


def test_the_highest_accuracy_wins_and_of_equals_the_earliest(tmp_path: Path) -> None:
    weights = Weights()
    best = BestModel(tmp_path / "best_model", weights.save)
    assert best.step is None
    for step, accuracy in enumerate([0.2, 0.5, 0.4, 0.5, 0.1], start=1):
        weights.word = f"of step {step}"
        best.consider(step, accuracy)
    assert best.step == 2
    assert (tmp_path / "best_model" / "weights").read_text() == "of step 2"
    assert [path.name for path in tmp_path.iterdir()] == ["best_model"]


def test_a_resume_has_what_was_best_at_its_checkpoint(tmp_path: Path) -> None:
    weights, checkpoint = Weights(), tmp_path / "checkpoint-2"
    best = BestModel(tmp_path / "best_model", weights.save)
    checkpoint.mkdir()
    best.keep_with(checkpoint)
    first, weights.word = tmp_path / "checkpoint-4", "of step 3"
    first.mkdir()
    best.consider(3, 0.3)
    best.keep_with(first)
    weights.word = "of step 5"
    best.consider(5, 0.9)
    best.restore(first)
    assert (best.step, (tmp_path / "best_model" / "weights").read_text()) == (3, "of step 3")
    best.restore(checkpoint)
    assert best.step is None


def test_without_evaluations_on_dev_there_is_nothing_to_choose_by(load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load("eval.best=true", "train.eval_every=null")
    assert str(caught.value) == (
        "eval.best = true: weights are chosen on dev during training; give train.eval_every, or eval.best=false"
    )


@pytest.mark.slow
def test_a_run_evaluates_its_best_weights_and_a_resume_chooses_the_same(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accuracies on dev are made up, so that step 2 of 6 wins; what is evaluated at the end is real."""
    measured = Evaluator.dev
    made_up = {1: 0.1, 2: 0.8, 3: 0.3, 4: 0.2, 5: 0.5, 6: 0.8}

    def dev(self: Evaluator, step: int) -> SetSummary:
        found = measured(self, step)
        assert found is not None
        object.__setattr__(found.greedy, "value", made_up[step])
        return found

    monkeypatch.setattr(Evaluator, "dev", dev)
    settings = load(
        "experiment=smoke", "method=sft", "train.steps=6", "train.eval_every=1", "train.save_every=2",
        "train.keep_checkpoints=9", "eval.best=true", "eval.sets=[easy]", "eval.before=false",
        "train.sft.learning_rate=1e-2", f"run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    directory = carried_out(settings)
    chosen = AutoModelForCausalLM.from_pretrained(directory.best_model)
    kept = AutoModelForCausalLM.from_pretrained(directory.checkpoints / "checkpoint-2")
    pairs = zip(chosen.parameters(), kept.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    best = read_jsonl(directory.evaluation("best") / "easy.jsonl")
    assert best != read_jsonl(directory.evaluation("after") / "easy.jsonl")
    assert "| best on dev |" in directory.report.read_text()

    cut = RunDir(tmp_path / "cut")
    shutil.copytree(directory.path, cut.path)
    for step in (4, 6):
        shutil.rmtree(cut.checkpoints / f"checkpoint-{step}")
    shutil.rmtree(cut.best_model)
    cut.write_status("failed")
    made_up[2] = 0.0  # is not asked again
    again = {"run_dir": str(cut.path), "resume": str(cut.path)}
    run.run(settings.model_copy(update=again))
    assert read_summaries(cut.evaluation("best")) == read_summaries(directory.evaluation("best"))
    assert (cut.best_model / "dev.json").read_bytes() == (
        directory.best_model / "dev.json"
    ).read_bytes()
