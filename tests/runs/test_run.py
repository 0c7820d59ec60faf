"""Whole runs of a few steps on the embedded task, in this process: every method that conf/method holds."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from hybrid_rl import run
from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.evaluation.scores import read_summaries
from hybrid_rl.execution import launch
from hybrid_rl.recording import checkpoints
from hybrid_rl.recording.files import read_jsonl, write_jsonl
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting.comparison.compare import curve
from hybrid_rl.reporting.record import RunRecord
from hybrid_rl.training import trainer
from tests.conftest import Load

pytestmark = pytest.mark.slow
METHODS = sorted(file.stem for file in (config_dir() / "method").glob("*.yaml"))
BOTH = ("alternate", "relift", "sasr", "sft_then_grpo")
# A first look shows each kind of update. bread_relift has SFT for what BREAD cannot solve, and here it solves all.
KINDS = {"sft": {"sft"}} | {method: {"sft", "rl"} for method in BOTH}


def carried_out(settings: Settings) -> RunDir:
    directory = launch.prepare(settings, ["hybrid-rl"], Path.cwd())
    run.run(settings)
    return directory


def smoke(load: Load, path: Path, *overrides: str) -> RunDir:
    return carried_out(load("experiment=smoke", f"run_dir={path}", *overrides))


def without_clock(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if not k.endswith("_seconds")} for line in lines]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_from_settings_to_report(method: str, load: Load, tmp_path: Path) -> None:
    directory = smoke(load, tmp_path / "run", f"method={method}")
    metrics, decisions = read_jsonl(directory.metrics), read_jsonl(directory.decisions)
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert {line["kind"] for line in metrics} == KINDS.get(method, {"rl"})
    assert [line["kind"] for line in decisions] == [line["kind"] for line in metrics]
    for line, decision in zip(metrics, decisions, strict=True):
        asked = {group["example_id"] for group in decision["groups"]}
        assert len(asked) == (2 if line["kind"] == "rl" else 0)
        assert directory.rollouts(line["step"]).exists() == (line["kind"] == "rl")
    for axis in ("wall_seconds", "generated_tokens", "trained_tokens", "flops", "traces_used"):
        spent = [line[axis] for line in metrics]
        assert spent == sorted(spent)
    progress = read_jsonl(directory.progress)
    assert [line["step"] for line in progress] == [0, 2, 4]
    assert [progress[0][axis] for axis in ("flops", "generated_tokens", "wall_seconds")] == [0] * 3
    for moment in ("before", "after"):
        assert set(read_summaries(directory.evaluation(moment))) == {"hard", "easy"}
    assert "plots/training.png" in directory.report.read_text()


def test_a_first_look_has_a_reward_that_moves(load: Load, tmp_path: Path) -> None:
    directory = smoke(load, tmp_path / "run", "method=grpo", "eval=none", "train.eval_every=null")
    rewards = [line["reward_mean"] for line in read_jsonl(directory.metrics)]
    assert len(set(rewards)) > 1
    assert max(rewards) > 0.1


def test_the_saved_model_answers_in_plain_transformers_as_it_was_evaluated(
    load: Load, tmp_path: Path
) -> None:
    directory = smoke(load, tmp_path / "run", "method=sft", "eval.sets=[easy]")
    model = AutoModelForCausalLM.from_pretrained(directory.model)
    tokenizer = AutoTokenizer.from_pretrained(directory.model)
    for row in read_jsonl(directory.evaluation("after") / "easy.jsonl"):
        prompt = tokenizer(row["prompt"], return_tensors="pt")
        ids = model.generate(**prompt, max_new_tokens=64)[0, prompt["input_ids"].shape[1] :]
        assert tokenizer.decode(ids, skip_special_tokens=True) == row["greedy"]["completion"]


def test_the_saved_models_have_cards_that_tell_their_own_evaluation(
    load: Load, tmp_path: Path
) -> None:
    from huggingface_hub import ModelCard

    few = ("method=sft", "train.steps=2", "train.eval_every=1", "eval.sets=[easy]")
    run = smoke(load, tmp_path / "run", *few, "eval.best=true", "eval.samples=0")
    cards = {"after": run.model, "best": run.best_model}
    for moment, directory in cards.items():
        card = ModelCard.load(directory / "README.md")
        summary = read_summaries(run.evaluation(moment))["easy"]
        [found] = card.data.eval_results
        assert (found.metric_value, found.dataset_name) == (summary.greedy.value, "easy")
        assert str(tmp_path) not in card.content


def test_scoring_again_gives_the_same_figures(load: Load, tmp_path: Path) -> None:
    first = smoke(load, tmp_path / "run", "method=grpo", "train.steps=2")
    again = smoke(load, tmp_path / "again", "task=evaluate", f"eval.rescore={first.path}")
    figures = read_summaries(first.evaluation("after"))
    assert read_summaries(again.evaluation("after")) == figures
    assert read_summaries(again.evaluation("before")) == read_summaries(first.evaluation("before"))
    assert figures["easy"].samples == 2


@pytest.mark.parametrize(
    ("method", "budget"),
    [
        ("grpo", "budget.generated_tokens=2000"),
        ("sft", "budget.traces_used=20"),
        ("bread", "budget.flops=6e9"),
        ("sft_then_grpo", "budget.trained_tokens=700"),
    ],
)
def test_a_budget_ends_training_within_one_step(
    method: str, budget: str, load: Load, tmp_path: Path
) -> None:
    directory = smoke(load, tmp_path / "run", f"method={method}", "train.steps=40", budget)
    axis, limit = budget.removeprefix("budget.").split("=")
    metrics = read_jsonl(directory.metrics)
    assert 1 < len(metrics) < 40
    assert metrics[-2][axis] < float(limit) <= metrics[-1][axis]
    assert checkpoints.complete(directory.checkpoints)[-1].name == f"checkpoint-{len(metrics)}"
    assert read_summaries(directory.evaluation("after"))
    last = read_jsonl(directory.progress)[-1]
    assert (last["step"], last[axis]) == (len(metrics), metrics[-1][axis])
    assert f", until budget.{axis} = " in directory.report.read_text()


def test_how_often_dev_is_evaluated_changes_no_training(load: Load, tmp_path: Path) -> None:
    often = smoke(load, tmp_path / "often", "method=grpo", "train.eval_every=1")
    never = smoke(load, tmp_path / "never", "method=grpo", "train.eval_every=null")
    assert without_clock(read_jsonl(often.metrics)) == without_clock(read_jsonl(never.metrics))
    assert not never.progress.exists()


def test_dev_is_a_run_s_before_it_is_trained_where_eval_before_says_so(
    load: Load, tmp_path: Path
) -> None:
    """Of the sets evaluated before training, dev is not evaluated twice."""
    few = ("method=sft", "train.steps=3", "train.eval_every=2", "eval.sets=[dev]")
    run = smoke(load, tmp_path / "run", *few)
    assert [line["step"] for line in read_jsonl(run.progress)] == [0, 2, 3]
    before = read_summaries(run.evaluation("before"))["dev"].flat()
    assert read_jsonl(run.progress)[0].items() >= before.items()
    points = curve(RunRecord.read(run.path), "step", "greedy")
    assert [point.spent for point in points] == [0, 2, 3]
    without = smoke(load, tmp_path / "without", *few, "eval.before=false")
    assert [line["step"] for line in read_jsonl(without.progress)] == [2, 3]


def test_a_run_stopped_early_and_resumed_to_end_there_has_evaluated_its_end(
    load: Load, tmp_path: Path
) -> None:
    """Stopped at step 3 by a signal, as its checkpoint tells; then train.steps=3. Twice, as if cut off again."""
    settings = load(
        "experiment=smoke", "method=sft", "train.save_every=1", "train.keep_checkpoints=9", "eval.best=true",
        f"run_dir={tmp_path / 'run'}", "train.sft.learning_rate=1e-2",
    )  # fmt: skip
    directory = carried_out(settings)
    shutil.rmtree(directory.checkpoints / "checkpoint-4")
    train = settings.train.model_copy(update={"steps": 3})
    again = settings.model_copy(update={"train": train, "resume": str(directory.path)})
    for _ in range(2):
        run.run(again)
        assert [line["step"] for line in read_jsonl(directory.progress)] == [0, 2, 3]
        found = {line["step"]: line["greedy"] for line in read_jsonl(directory.progress)[1:]}
        chosen = json.loads((directory.best_model / "dev.json").read_text())
        assert chosen["greedy"] == max(found.values())


def test_an_evaluation_that_is_due_is_made_up_for_before_the_next_update_even_on_the_way_to_a_stop(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop at step 2 left dev out, and the resumed run is asked to stop at once."""
    settings = load(
        "experiment=smoke", "method=sft", "train.save_every=1", "train.keep_checkpoints=9",
        f"run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    directory = carried_out(settings)
    before = read_jsonl(directory.progress)
    for step in (3, 4):
        shutil.rmtree(directory.checkpoints / f"checkpoint-{step}")
    state = checkpoints.read_state(directory.checkpoints / "checkpoint-2")
    due = {**state, "evaluation_due": True}
    checkpoints.write_state(directory.checkpoints / "checkpoint-2", due)
    write_jsonl(directory.progress, [line for line in before if line["step"] < 2])
    monkeypatch.setattr(trainer, "asked_to_stop", lambda: True)
    run.run(settings.model_copy(update={"resume": str(directory.path)}))
    made_up = [line["greedy"] for line in read_jsonl(directory.progress) if line["step"] == 2]
    assert made_up == [line["greedy"] for line in before if line["step"] == 2]


def test_adapters_follow_the_seed(load: Load, tmp_path: Path) -> None:
    """They are drawn while the model is loaded, before the trainer sets its own seed."""
    pytest.importorskip("peft")
    lora = "model.lora={rank: 4, alpha: 8, dropout: 0.0, target_modules: all-linear}"
    one_step = ["train.steps=1", "train.save_every=1"]
    seeds = {"first": 0, "again": 0, "other": 1}
    first, again, other = (
        smoke(load, tmp_path / name, "method=sft", *one_step, f"seed={seed}", lora)
        for name, seed in seeds.items()
    )
    drawn = [
        {
            name: weight
            for name, weight in load_file(
                run.checkpoints / "checkpoint-1" / "adapter_model.safetensors"
            ).items()
            if "lora_A" in name  # no gradient reaches it while B is zero: step 1 leaves it as drawn
        }
        for run in (first, again, other)
    ]
    for name, weight in drawn[0].items():
        assert torch.equal(weight, drawn[1][name])
        assert not torch.equal(weight, drawn[2][name])


def test_a_shuffled_run_has_the_kinds_of_its_pair_and_a_resume_does_without_it(
    load: Load, tmp_path: Path
) -> None:
    sasr = [
        "method=sasr",
        "method.warmup_steps=1",
        "method.gamma=1.0",
        "train.steps=8",
        "eval=none",
    ]
    pair = smoke(load, tmp_path / "sasr", *sasr)
    pair.write_status("done")  # as its worker does
    control = [*sasr, "method.control=shuffled", "method.paired_run=../sasr"]
    straight = smoke(load, tmp_path / "shuffled", *control)
    ours, theirs = (read_jsonl(one.decisions) for one in (straight, pair))
    kinds = [[line["kind"] for line in lines] for lines in (ours, theirs)]
    assert {*kinds[1][1:]} == {"sft", "rl"}
    assert sorted(kinds[0]) == sorted(kinds[1])
    shutil.copytree(straight.path, tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "checkpoint-8")
    shutil.rmtree(pair.path)
    settings = Settings.load_json(straight.settings)
    cut = str(tmp_path / "cut")
    resumed = carried_out(settings.model_copy(update={"run_dir": cut, "resume": cut}))
    assert read_jsonl(resumed.decisions) == ours


def test_a_run_without_its_pair_is_refused_before_a_model_is_loaded(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_load", None)
    with pytest.raises(
        SettingsError, match=r"method\.paired_run = \.\./sasr: .* is no run directory"
    ):
        smoke(
            load,
            tmp_path / "x",
            "method=sasr",
            "method.control=shuffled",
            "method.paired_run=../sasr",
        )


@pytest.mark.parametrize("method", ["sft_then_grpo", "bread", "sasr", "relift"])
def test_a_resumed_run_ends_as_if_it_had_never_stopped(
    method: str, load: Load, tmp_path: Path
) -> None:
    straight = smoke(load, tmp_path / "straight", f"method={method}", "eval.before=false")
    path = tmp_path / "cut"
    shutil.copytree(straight.path, path)
    cut = RunDir(path)
    shutil.rmtree(cut.checkpoints / "checkpoint-4")
    settings = Settings.load_json(straight.settings)
    resumed = carried_out(settings.model_copy(update={"run_dir": str(path), "resume": str(path)}))
    assert without_clock(read_jsonl(resumed.metrics)) == without_clock(read_jsonl(straight.metrics))
    assert read_jsonl(resumed.decisions) == read_jsonl(straight.decisions)
    saved = [directory.model / "model.safetensors" for directory in (resumed, straight)]
    assert saved[0].read_bytes() == saved[1].read_bytes()
    history = json.loads(resumed.status.read_text())["history"]
    assert history[-1]["resumed"] is True
