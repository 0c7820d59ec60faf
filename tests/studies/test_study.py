"""A study: what it plans, refuses, skips and goes on with."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from hybrid_rl.config import composing
from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.study import load_study
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording import checkpoints, looks, tuning
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.studies import study
from hybrid_rl.studies.directory import hold
from hybrid_rl.studies.running import Launched
from hybrid_rl.tools import check
from tests.conftest import Compose
from tests.fakes.places import ROOT
from tests.studies.conftest import begun, claim, defined, planned, tuned

STUDIES = sorted(file.stem for file in (config_dir() / "study").glob("*.yaml"))
SHIPPED = [name for name in STUDIES if name != "custom"]


def test_jobs_are_ordinary_runs_seed_by_seed(tmp_path: Path, job_settings: study.Compose) -> None:
    made = study.plan(defined(), ["train.steps=7"], tmp_path, job_settings)
    assert [(job.arm, job.seed) for job in made.jobs] == [
        ("base", 0), ("rl", 0), ("base", 1), ("rl", 1)
    ]  # fmt: skip
    last = made.jobs[-1]
    assert last.run.path == tmp_path / "rl" / "seed_1"
    assert (last.settings.name, last.settings.seed) == ("two-rl", 1)
    assert (last.settings.train.steps, last.settings.method.group_size) == (7, 4)
    assert last.typed == (
        "method.group_size=4", "method=grpo", "train.steps=7", "name=two-rl", "seed=1",
        f"run_dir='{tmp_path}/rl/seed_1'",
    )  # fmt: skip


def test_every_arm_that_does_not_compose_is_told_at_once(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    arms = {
        "ok": ["method=grpo"],
        "a": ["train.steps=0"],
        "b": ["method=sft", "method.group_size=4"],
    }
    with pytest.raises(SettingsError) as caught:
        planned(tmp_path, job_settings, arms=arms)
    assert str(caught.value).splitlines() == [
        "study.arms.a: train.steps = 0: must be at least 1; e.g. train.steps=1",
        "study.arms.b: method.group_size = 4: must be null; leave it out",
    ]


def test_arms_that_are_measured_otherwise_are_refused(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    arms = {
        "base": ["method=grpo"],
        "more": ["method=grpo", "eval.samples=8", "eval.dev_samples=4"],
    }
    with pytest.raises(SettingsError) as caught:
        planned(tmp_path, job_settings, arms=arms)
    assert str(caught.value) == (
        "study.arms.more: eval.samples = 8, where base has 4; all arms are measured alike, at equal budgets:"
        " give it to all, in study.common or on the command line"
    )


def test_arms_have_one_budget_which_may_be_that_of_steps(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    arms = {"base": ["method=grpo"], "longer": ["method=grpo", "train.steps=200"]}
    with pytest.raises(SettingsError, match=r"longer: train\.steps = 200, where base has 140;"):
        planned(tmp_path, job_settings, arms=arms)
    limited = ["budget.flops=1e12"]
    assert planned(tmp_path, job_settings, arms=arms, common=limited).jobs
    arms["longer"].append("budget.flops=2e12")
    with pytest.raises(SettingsError, match=r"longer: budget\.flops = 2000000000000\.0, where"):
        planned(tmp_path, job_settings, arms=arms, common=limited)


def test_arms_have_as_many_epochs_and_as_much_patience(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    common = ["train.epochs=2", "train.patience=3"]
    arms = {"base": ["method=grpo"], "longer": ["method=grpo", "train.steps=200"]}
    assert planned(tmp_path, job_settings, arms=arms, common=common).jobs  # epochs end both
    for key, given, has in (
        ("epochs", "4", r"4\.0, where base has 2\.0"),
        ("patience", "9", "9, .* 3"),
    ):
        other = {**arms, "longer": ["method=grpo", f"train.{key}={given}"]}
        with pytest.raises(SettingsError, match=rf"longer: train\.{key} = {has};"):
            planned(tmp_path, job_settings, arms=other, common=common)


def test_dev_is_not_held_out_of_two_trains(tmp_path: Path, job_settings: study.Compose) -> None:
    arms = {"base": ["method=grpo"], "more": ["method=grpo", "data.train.size=128"]}
    assert planned(tmp_path, job_settings, arms=arms).jobs  # dev has a source of its own
    told = r"more: data\.train\.size = 128, where base has 64; dev is held out of train \(data\.dev = 16\)"
    with pytest.raises(SettingsError, match=told):
        planned(tmp_path, job_settings, arms=arms, common=["data.dev=16"])
    arms["more"] = ["method=grpo", "data.train.traces=terse"]
    assert planned(tmp_path, job_settings, arms=arms, common=["data.dev=16"]).jobs


def test_a_primary_outcome_that_is_not_measured_is_refused(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    for primary, line in (
        (
            {"set": "gsm8k", "measure": "greedy"},
            "study.primary.set = gsm8k: is not evaluated; choose one of eval.sets = [hard, easy] with"
            " study.primary.set=..., or study.primary=null",
        ),
        (
            {"set": "hard", "measure": "avg"},
            "study.primary.measure = avg: needs samples, and eval.samples = 0; give eval.samples in study.common, or"
            " study.primary.measure=greedy",
        ),
    ):
        common = ["method.group_size=4", "eval.samples=0"]
        with pytest.raises(SettingsError) as caught:
            planned(tmp_path, job_settings, primary=primary, common=common)
        assert str(caught.value) == line


def test_a_target_that_is_not_measured_on_dev_is_refused(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    target = {"set": "dev", "measure": "avg", "value": 0.5}
    for common in (["eval.samples=0"], ["eval.samples=4", "eval.dev_samples=0"]):
        with pytest.raises(SettingsError) as caught:
            planned(tmp_path, job_settings, target=target, common=["method.group_size=4", *common])
        assert str(caught.value) == (
            "study.target.measure = avg: needs samples, and eval.dev_samples = 0; give eval.dev_samples in"
            " study.common, or study.target.measure=greedy"
        )


def test_arms_may_learn_from_other_traces(tmp_path: Path, job_settings: study.Compose) -> None:
    arms = {"all": ["method=sft_then_grpo"], "few": ["method=sft_then_grpo", "data.traces=8"]}
    made = planned(tmp_path, job_settings, arms=arms)
    assert [job.settings.data.traces for job in made.jobs] == [None, 8, None, 8]


def test_jobs_can_be_handed_to_a_launcher(tmp_path: Path, job_settings: study.Compose) -> None:
    """A launcher that does all jobs but one; what was cut off is handed over as a resume, what is done is not."""
    made = planned(tmp_path, job_settings)
    claim(made)
    begun(made.jobs[0]).write_status("done")
    resumed = begun(made.jobs[1])
    resumed.write_status("failed", error="stopped")
    (resumed.checkpoints / "checkpoint-2").mkdir(parents=True)
    (resumed.checkpoints / "checkpoint-2" / "hybrid_state.json").write_text("{}")
    handed: list[Launched] = []

    def launcher(jobs: Sequence[Launched]) -> None:
        handed.extend(jobs)
        resumed.write_status("done")
        begun(made.jobs[3]).write_status("failed", error="no disk")

    code = study.run_study(made, ["hybrid-rl"], ["study=two"], tmp_path, launcher)
    assert [typed for typed, _ in handed] == [
        (f"resume='{resumed.path}'",), made.jobs[2].typed, made.jobs[3].typed
    ]  # fmt: skip
    assert code == 1


def test_there_are_studies() -> None:
    assert "smoke" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("end", [0, -1], ids=["first", "last"])
def test_a_shipped_study_composes(
    name: str, end: int, composed: Compose, job_settings: study.Compose, tmp_path: Path
) -> None:
    definition = load_study(_plain(composed(f"study={name}").study), [])
    assert definition.name == name
    arms = list(definition.arms)
    own = {arm: definition.arms[arm] for arm in {definition.reference or arms[0], arms[end]}}
    seeds = [definition.seeds[end]]
    part = definition.model_copy(update={"arms": own, "seeds": seeds})
    assert len(study.plan(part, [], tmp_path, job_settings).jobs) == len(own)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_study_has_the_two_baselines(name: str, composed: Compose) -> None:
    arms = _plain(composed(f"study={name}").study)["arms"]
    chosen = {override for overrides in arms.values() for override in overrides}
    assert {"method=sft_then_grpo", "method=grpo"} <= chosen


def test_the_shuffled_control_is_paired_with_the_run_of_its_seed(
    composed: Compose, tmp_path: Path
) -> None:
    definition = load_study(_plain(composed("study=controls").study), [])
    arms = {name: definition.arms[name] for name in ("sasr", "sasr_shuffled")}
    part = definition.model_copy(update={"arms": arms, "seeds": [3, 8], "reference": "sasr"})
    # Composed anew for every seed, since the seed stands in the path.
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        jobs = study.plan(part, [], tmp_path, composing.Composer()).jobs
    for own, pair in ((jobs[1], jobs[0]), (jobs[3], jobs[2])):
        assert own.settings.method.paired_with is not None
        named = Path(own.settings.run_dir, own.settings.method.paired_with[1])
        assert (named.resolve(), own.seed) == (pair.run.path, pair.seed)


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True)


def start(directory: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "hybrid_rl", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_one_bad_job_does_not_end_it(tmp_path: Path) -> None:
    command = (
        "study=smoke", "run_dir=s", "study.seeds=[0]", "train.save_every=1", "eval.limit=2",
        "eval.samples=0", "study.arms.bad=['data.columns.trace=\"{{ nothing }}\"']",
    )  # fmt: skip
    first = start(tmp_path, *command)
    runs = {
        arm: RunDir(tmp_path / "s" / arm / "seed_0") for arm in ("sft_then_grpo", "grpo", "bad")
    }
    while first.poll() is None and not checkpoints.complete(runs["grpo"].checkpoints):
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    told = first.communicate()[1]
    assert first.returncode == 130, told
    assert "continue with the same command: hybrid-rl study=smoke run_dir=s" in told
    with hold(tmp_path / "s"):
        pass  # every job held the lock: none is left
    assert runs["sft_then_grpo"].read_status()["state"] == "done"
    before = runs["sft_then_grpo"].status.read_bytes()
    assert runs["grpo"].read_status()["error"] == "stopped by SIGTERM"
    assert not runs["bad"].path.exists()

    second = start(tmp_path, *command)
    told = second.communicate()[1]
    assert second.returncode == 1, told
    assert "1 done, 1 to resume, 1 to run" in told
    assert "bad seed 0 failed: data=ledger_easy, train: " in told.splitlines()[-1]
    assert runs["sft_then_grpo"].status.read_bytes() == before
    assert any(record.get("resumed") for record in runs["grpo"].read_status()["history"])
    assert [line["step"] for line in read_jsonl(runs["grpo"].metrics)] == [1, 2, 3, 4]
    assert "## hard: 2 questions" in (tmp_path / "s" / "report.md").read_text()


TUNE = (
    "study.tune={trials: 2, seeds: [1000], measure: greedy, looks: 1, draw: 0, common: ['train.steps=2'], like: {},"
    " space: {grpo: {train.rl.learning_rate: [4e-4, 8e-4]}, sft_then_grpo: {train.rl.learning_rate: [4e-4, 8e-4]}}}"
)


@pytest.mark.slow
def test_a_tuning_that_is_killed_goes_on_and_the_comparison_has_its_outcome(tmp_path: Path) -> None:
    command = ("study=smoke", "run_dir=s", "study.seeds=[0]", "study.jobs=2", "eval.limit=2", TUNE)
    first = start(tmp_path, *command)
    trials = {
        (arm, n): RunDir(tmp_path / "s" / "tune" / arm / f"trial_{n}" / "seed_1000")
        for n in (0, 1)
        for arm in ("sft_then_grpo", "grpo")
    }
    done = trials["grpo", 0]
    while first.poll() is None and done.read_status().get("state") != "done":
        time.sleep(0.05)
    first.kill()
    told = first.communicate()[1]
    assert first.returncode == -signal.SIGKILL, told
    before = done.status.read_bytes()
    assert not (tmp_path / "s" / "grpo").exists()

    second = start(tmp_path, *command)
    told = second.communicate()[1]
    assert second.returncode == 0, told
    assert done.status.read_bytes() == before
    assert [run.read_status()["state"] for run in trials.values()] == ["done"] * 4
    assert all(len(read_jsonl(run.metrics)) == 2 for run in trials.values())
    assert not any(list(run.path.glob("eval/*/*.jsonl")) for run in trials.values())  # no test set
    found = tuning.read(tmp_path / "s")
    assert list(found) == ["sft_then_grpo", "grpo"]
    for arm, outcome in found.items():
        flops = [read_jsonl(trials[arm, n].metrics)[-1]["flops"] for n in (0, 1)]
        assert outcome.spent["flops"] == sum(flops)
        words = (tmp_path / "s" / arm / "seed_0" / "overrides.txt").read_text()
        assert ("train.rl.learning_rate=0.0008" in words) == (outcome.chosen == 1)
    assert "## hard: 2 questions" in (tmp_path / "s" / "report.md").read_text()

    third = start(tmp_path, *command)
    told = third.communicate()[1]
    assert third.returncode == 0, told
    assert "study smoke: 2 arms x 1 seeds" in told
    assert "2 done" in told


def test_a_check_tells_each_arm_once_and_then_the_work_of_the_whole(
    tmp_path: Path,
    job_settings: study.Compose,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checked: list[str] = []
    monkeypatch.setattr(check, "check_run", lambda settings, typed: checked.append(settings.name))
    study.check(planned(tmp_path, job_settings, tune=tuned()))
    assert checked == ["two-base", "two-rl"]
    assert capsys.readouterr().out.splitlines() == [
        "Comparison: 2 arms x 2 seeds = 4 runs, each of 140 steps.",
        "Tuning: 2 arms x 3 trials x 2 seeds = 12 runs, each of 140 steps.",
    ]


@pytest.mark.slow
def test_a_study_that_runs_until_decided_is_killed_and_goes_on(tmp_path: Path) -> None:
    """Two arms, two looks: one with two seeds, which decides nothing, and one with three, which is the last."""
    command = (
        "study=smoke", "run_dir=s", "study.until=decided", "study.most_seeds=3", "study.jobs=2",
        "train.steps=2", "eval.samples=0",
    )  # fmt: skip
    first = start(tmp_path, *command)
    third = RunDir(tmp_path / "s" / "sft_then_grpo" / "seed_2")
    while first.poll() is None and not third.settings.exists():
        time.sleep(0.05)
    first.kill()
    told = first.communicate()[1]
    assert first.returncode == -signal.SIGKILL, told
    before = looks.read(tmp_path / "s")
    assert [(one.arm, one.seeds, one.decision) for one in before] == [("grpo", [0, 1], "open")]

    second = start(tmp_path, *command)
    told = second.communicate()[1]
    assert second.returncode == 0, told
    assert "1 open arms, up to 3 of 3 seeds" in told
    assert looks.read(tmp_path / "s")[:1] == before
    (last,) = looks.read(tmp_path / "s")[1:]
    assert (last.arm, last.seeds, last.decision) == ("grpo", [0, 1, 2], "undecided")
    text = (tmp_path / "s" / "report.md").read_text()
    assert "| grpo | undecided with the most seeds | 3 | 3 |" in text
