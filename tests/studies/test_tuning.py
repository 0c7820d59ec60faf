"""Equal tuning: which trials are run, what is chosen, what a restart does, and what becomes of trials that fail."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.errors import SettingsError
from hybrid_rl.execution import launch
from hybrid_rl.recording import tuning as record
from hybrid_rl.recording.files import append_json
from hybrid_rl.studies import study, tuning
from hybrid_rl.studies.jobs import Compose
from hybrid_rl.studies.running import Launched
from tests.studies.conftest import planned, tuned

RATE = "train.rl.learning_rate"
DEV = {
    ("base", 0): (0.3, 0.1), ("base", 1): (0.2, 0.2), ("base", 2): (0.1, 0.1),
    ("rl", 0): (0.1, 0.1), ("rl", 1): (0.0, 0.2), ("rl", 2): (0.4, 0.2),
}  # fmt: skip
"""The accuracy on dev of a trial with seeds 1000 and 1001."""


class Faked:
    """A launcher whose trials come to the figures of `DEV`; it keeps what it was handed, by batch."""

    def __init__(self, compose: Compose) -> None:
        self.compose = compose
        self.batches: list[list[str]] = []
        self.fails: dict[str, str] = {}
        """Trial -> the error it fails with."""

    def launch(self, jobs: Sequence[Launched]) -> None:
        self.batches.append([])
        for typed, path in jobs:
            run = launch.prepare(self.compose(typed), ["hybrid-rl", *typed], Path())
            found = re.search(r"tune/(\w+)/trial_(\d)/seed_(\d+)$", str(path))
            name = "-".join(found.groups()) if found else f"{path.parent.name}-{path.name}"
            self.batches[-1].append(name)
            if name in self.fails:
                run.write_status("failed", error=self.fails[name], exit_code=2)
                continue
            if found:
                arm, trial, seed = found[1], int(found[2]), int(found[3])
                for step, greedy in (
                    (0, 1.0),
                    (2, 1.0),
                    (4, 0.0),
                    (6, 2 * DEV[arm, trial][seed - 1000]),
                ):
                    append_json(run.progress, {"step": step, "set": "dev", "greedy": greedy})
                append_json(
                    run.metrics, {"step": 6, "flops": 1e3 * (trial + 1), "generated_tokens": 7}
                )
            run.write_status("done")

    @property
    def trials(self) -> list[str]:
        return [name for batch in self.batches for name in batch if name.count("-") == 2]


@pytest.fixture
def faked(job_settings: Compose) -> Faked:
    return Faked(job_settings)


def run(directory: Path, faked: Faked, **changes: Any) -> int:
    made = planned(directory, faked.compose, **{"tune": tuned(), **changes})
    return study.run_study(made, ["hybrid-rl"], ["study=two"], directory, faked.launch)


def all_of(*arms: str) -> list[str]:
    """The trials as they are run: trial by trial, the arms in turn."""
    return [f"{arm}-{n}-{seed}" for n in range(3) for arm in arms for seed in (1000, 1001)]


def test_all_trials_run_and_the_comparison_has_what_was_chosen(
    tmp_path: Path, faked: Faked
) -> None:
    assert run(tmp_path, faked) == 0
    assert faked.batches[0] == all_of("base", "rl")
    assert faked.batches[1] == ["base-seed_0", "rl-seed_0", "base-seed_1", "rl-seed_1"]
    words = (tmp_path / "rl" / "seed_1" / "overrides.txt").read_text()
    assert f" method=grpo {RATE}=0.0008 name=two-rl seed=1 " in words
    words = (tmp_path / "base" / "seed_1" / "overrides.txt").read_text()
    assert " method=sft_then_grpo name=two-base " in words  # trial 0 ties with trial 1


def test_tuning_json_has_settings_figures_and_cost(tmp_path: Path, faked: Faked) -> None:
    run(tmp_path, faked)
    found = json.loads((tmp_path / "tuning.json").read_text())
    assert list(found) == ["base", "rl"]
    assert found["rl"]["trials"][2] == {
        "overrides": [f"{RATE}=0.0008"], "settings": {RATE: 0.0008},
        "dev": {"1000": 0.4, "1001": 0.2}, "mean": pytest.approx(0.3), "stopped": {},
        "spent": {"flops": 6000.0, "generated_tokens": 14.0},
    }  # fmt: skip
    assert found["rl"]["trials"][0]["settings"] == {RATE: 0.0002}
    assert (found["rl"]["chosen"], found["base"]["chosen"]) == (2, 0)
    assert found["rl"]["spent"] == {"flops": 12000.0, "generated_tokens": 42.0}


def test_a_finished_trial_is_never_run_again(tmp_path: Path, faked: Faked) -> None:
    faked.fails = {"rl-1-1001": "stopped by SIGTERM"}
    assert run(tmp_path, faked) == 1
    faked.fails, faked.batches = {}, []
    assert run(tmp_path, faked) == 0
    assert faked.trials == ["rl-1-1001"]
    shutil.rmtree(tmp_path / "tune")  # tuning.json is enough
    faked.batches = []
    assert run(tmp_path, faked, seeds=[0, 1, 2]) == 0
    assert faked.batches == [["base-seed_2", "rl-seed_2"]]
    assert f"{RATE}=0.0008" in (tmp_path / "rl" / "seed_2" / "overrides.txt").read_text()


def test_an_arm_whose_tuning_fails_is_left_out_and_the_others_go_on(
    tmp_path: Path, faked: Faked, caplog: pytest.LogCaptureFixture
) -> None:
    faked.fails = {"rl-1-1001": "no disk"}
    arms = {
        "base": ["method=sft_then_grpo"],
        "rl": ["method=grpo"],
        "waits": ["method=sft_then_grpo"],
    }
    changes = {"arms": arms, "after": {"waits": "rl"}, "tune": tuned(like={"waits": "base"})}
    assert run(tmp_path, faked, **changes) == 1
    assert faked.batches[1] == ["base-seed_0", "base-seed_1"]
    assert list(record.read(tmp_path)) == ["base", "waits"]
    assert "not compared, for their tuning is not complete: rl, waits" in caplog.text
    assert "tuning rl, trial 1 seed 1001 failed: no disk" in caplog.text


def test_a_trial_that_a_guard_stopped_counts_as_0_and_is_finished(
    tmp_path: Path, faked: Faked
) -> None:
    faked.fails = {"rl-2-1000": "guards.non_finite = stop: at step 3, the loss is nan"}
    assert run(tmp_path, faked) == 0
    found = record.read(tmp_path)["rl"]
    assert (found.trials[2].dev, found.trials[2].stopped) == (
        {1000: 0.0, 1001: 0.2},
        {1000: faked.fails["rl-2-1000"]},
    )
    assert found.chosen == 0
    faked.batches = []
    (tmp_path / "tuning.json").unlink()
    assert run(tmp_path, faked) == 0
    assert faked.batches == []


def test_a_trial_that_stopped_for_want_of_disk_is_no_result(tmp_path: Path, faked: Faked) -> None:
    faked.fails = {"rl-2-1000": "guards.disk.spare_gb = 1: at step 3, 0.2 GB are left"}
    assert run(tmp_path, faked) == 1
    faked.fails, faked.batches = {}, []
    assert run(tmp_path, faked) == 0
    assert faked.trials == ["rl-2-1000"]


def test_an_arm_takes_the_outcome_of_another_at_no_cost(tmp_path: Path, faked: Faked) -> None:
    arms = {
        "base": ["method=sft_then_grpo"],
        "rl": ["method=grpo"],
        "control": ["method=grpo", "train.rl.beta=0.1"],
    }
    assert run(tmp_path, faked, arms=arms, tune=tuned(like={"control": "rl"})) == 0
    assert faked.trials == all_of("base", "rl")
    found = record.read(tmp_path)["control"]
    assert (found.like, found.spent, found.best.overrides) == ("rl", {}, [f"{RATE}=0.0008"])
    words = (tmp_path / "control" / "seed_0" / "overrides.txt").read_text()
    assert f" train.rl.beta=0.1 {RATE}=0.0008 " in words


def test_what_makes_an_arm_what_it_is_stays_where_it_takes_the_outcome_of_another(
    tmp_path: Path, faked: Faked
) -> None:
    arms = {
        "base": ["method=sft_then_grpo"],
        "rl": ["method=grpo", "train.rl.beta=0.1"],
        "hot": ["method=grpo", "train.rl.beta=0.1", f"{RATE}=1e-2"],
    }
    assert run(tmp_path, faked, arms=arms, tune=tuned(like={"hot": "rl"})) == 0
    best = record.read(tmp_path)["hot"].best
    assert (best.overrides, best.settings) == ([], {})
    assert record.read(tmp_path)["rl"].best.overrides == [f"{RATE}=0.0008"]
    words = (tmp_path / "hot" / "seed_0" / "overrides.txt").read_text()
    assert f"{RATE}=1e-2" in words
    assert f"{RATE}=0.0008" not in words


@pytest.mark.filterwarnings("ignore")  # of Optuna's own imports
def test_a_search_is_run_in_rounds_beside_a_grid(tmp_path: Path, faked: Faked) -> None:
    pytest.importorskip("optuna")
    space = {**tuned()["space"], "rl": {RATE: "tag(log, interval(1e-4,1e-2))"}}
    assert run(tmp_path, faked, tune=tuned(space=space)) == 0
    rounds = [["rl-1-1000", "rl-1-1001"], ["rl-2-1000", "rl-2-1001"]]
    assert faked.batches[1:3] == rounds
    assert sorted(faked.batches[0]) == sorted([*all_of("base"), "rl-0-1000", "rl-0-1001"])
    found = record.read(tmp_path)
    assert found["rl"].chosen == 2
    assert 1e-4 <= found["rl"].best.settings[RATE] <= 1e-2
    faked.batches = []
    (tmp_path / "tuning.json").unlink()
    assert run(tmp_path, faked, tune=tuned(space=space)) == 0
    assert faked.batches == []
    assert record.read(tmp_path) == found


def test_the_last_looks_at_dev_are_averaged() -> None:
    def line(step: int, greedy: float, name: str = "dev") -> dict[str, Any]:
        return {"step": step, "set": name, "greedy": greedy, "avg": greedy / 2}

    lines = [
        line(0, 0.9),
        line(2, 0.8),
        line(4, 0.2),
        line(4, 0.3),
        line(6, 0.5),
        line(6, 1.0, "hard"),
    ]
    assert tuning.dev_accuracy(lines, "greedy", 1) == 0.5
    assert tuning.dev_accuracy(lines, "greedy", 2) == pytest.approx(0.4)
    assert tuning.dev_accuracy(lines, "avg", 9) == pytest.approx((0.4 + 0.15 + 0.25) / 3)


def problems(directory: Path, compose: Compose, **changes: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        planned(directory, compose, **changes)
    return str(caught.value).splitlines()


def test_trials_that_do_not_compose_or_are_too_few_are_told_at_once(
    tmp_path: Path, job_settings: Compose
) -> None:
    space = {"base": {"train.sft.learning_rate": [1e-3, 2e-3, -1]}, "rl": {RATE: [2e-4, 1e-4]}}
    assert problems(tmp_path, job_settings, tune=tuned(space=space)) == [
        "study.tune.space.base: train.sft.learning_rate = -1: must be above 0; give a number above that",
        "study.tune.space.rl: too few points beside the arm as written: 1, and study.tune.trials = 3 needs 2; give more"
        " values, or study.tune.trials=2",
    ]


def test_the_ends_of_an_interval_are_checked_before_anything_runs(
    tmp_path: Path, job_settings: Compose
) -> None:
    space = {**tuned()["space"], "rl": {RATE: "interval(-1.0,1.0)"}}
    assert problems(tmp_path, job_settings, tune=tuned(space=space)) == [
        f"study.tune.space.rl: {RATE} = -1.0: must be above 0; give a number above that"
    ]


def test_a_trial_has_no_other_budget_than_the_arm_as_written(
    tmp_path: Path, job_settings: Compose
) -> None:
    space = {**tuned()["space"], "rl": {"train.steps": [140, 150, 160]}}
    found = problems(tmp_path, job_settings, tune=tuned(space=space))
    assert found[0].startswith(
        "study.tune.space.rl: train.steps = 150, where rl has 140; all arms are measured"
    )


def test_trials_without_an_accuracy_to_go_by_are_refused(
    tmp_path: Path, job_settings: Compose
) -> None:
    common = ["train.eval_every=null", "method.group_size=4", "eval.samples=0"]
    assert problems(tmp_path, job_settings, common=common, tune=tuned(measure="avg")) == [
        line
        for arm in ("base", "rl")
        for line in (
            f"study.tune.space.{arm}: train.eval_every = null: trials are chosen on dev during training;"
            " give e.g. train.eval_every=20",
            f"study.tune.measure = avg: needs samples, and {arm} has eval.dev_samples = 0; give eval.dev_samples"
            " in study.common, or study.tune.measure=greedy",
        )
    ]


def test_the_estimate_multiplies_runs_and_budgets(tmp_path: Path, job_settings: Compose) -> None:
    made = planned(tmp_path, job_settings, tune=tuned())
    assert tuning.estimate(made.blueprint, made.written) == (
        "Tuning: 2 arms x 3 trials x 2 seeds = 12 runs, each of 140 steps."
    )
    common = ["budget.flops=1e12", "method.group_size=4"]
    made = planned(tmp_path, job_settings, tune=tuned(), common=common)
    assert tuning.estimate(made.blueprint, made.written) == (
        "Tuning: 2 arms x 3 trials x 2 seeds = 12 runs, each with budget.flops = 1e+12: at most about 1.2e+13 FLOPs,"
        " estimated."
    )
    common = ["train.epochs=3", "method.group_size=4"]
    made = planned(tmp_path, job_settings, tune=tuned(), common=common)
    assert tuning.estimate(made.blueprint, made.written) == (
        "Tuning: 2 arms x 3 trials x 2 seeds = 12 runs, each with train.epochs = 3."
    )
