"""The preparation of a study: it is run once, before all else, and every job starts from its model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.execution import launch
from hybrid_rl.recording.files import append_json
from hybrid_rl.studies import study
from hybrid_rl.studies.jobs import Compose
from hybrid_rl.studies.running import Launched
from tests.studies.conftest import planned, tuned

PREPARE = ["method=sft", "method.group_size=null", "train.steps=3"]


class Faked:
    """A launcher whose jobs end at once; each is done, with a model, unless it is to fail."""

    def __init__(self, compose: Compose) -> None:
        self.compose = compose
        self.ran: list[str] = []
        self.typed: dict[str, str] = {}
        self.fails = ""

    def launch(self, jobs: Sequence[Launched]) -> None:
        for typed, path in jobs:
            run = launch.prepare(self.compose(typed), ["hybrid-rl", *typed], Path())
            name = path.name if path.name == "prepare" else f"{path.parent.name}-{path.name}"
            self.ran.append(name)
            self.typed[name] = " ".join(typed)
            if name == self.fails:
                run.write_status("failed", error="no memory", exit_code=1)
                continue
            run.model.mkdir()
            append_json(run.progress, {"step": 3, "set": "dev", "greedy": 0.5})
            run.write_status("done")


@pytest.fixture
def faked(job_settings: Compose) -> Faked:
    return Faked(job_settings)


def run(directory: Path, faked: Faked, extra: Sequence[str] = (), **changes: Any) -> int:
    made = planned(directory, faked.compose, prepare=PREPARE, **changes)
    return study.run_study(made, ["hybrid-rl"], ["study=two", *extra], directory, faked.launch)


def test_it_comes_first_and_every_job_starts_from_its_model(tmp_path: Path, faked: Faked) -> None:
    assert run(tmp_path, faked) == 0
    assert faked.ran == ["prepare", "base-seed_0", "rl-seed_0", "base-seed_1", "rl-seed_1"]
    assert faked.typed["prepare"] == (
        "method.group_size=4 method=sft method.group_size=null train.steps=3 name=two-prepare seed=0"
        f" run_dir='{tmp_path}/prepare'"
    )
    assert faked.typed["rl-seed_1"] == (
        f"method.group_size=4 method=grpo model.path='{tmp_path}/prepare/model' model.gguf_file=null"
        " model.package=null model.tokenizer=null model.revision=null name=two-rl seed=1"
        f" run_dir='{tmp_path}/rl/seed_1'"
    )


def test_trials_start_from_its_model_too(tmp_path: Path, faked: Faked) -> None:
    assert run(tmp_path, faked, tune=tuned(trials=2, seeds=[1000])) == 0
    assert faked.ran[0] == "prepare"
    trials = [words for name, words in faked.typed.items() if name.startswith("trial_")]
    assert len(trials) == 2
    assert all(f"model.path='{tmp_path}/prepare/model'" in words for words in trials)


def test_it_is_not_run_again(tmp_path: Path, faked: Faked) -> None:
    run(tmp_path, faked)
    faked.ran = []
    assert run(tmp_path, faked) == 0
    assert faked.ran == []


def test_where_it_fails_nothing_else_is_run(tmp_path: Path, faked: Faked) -> None:
    faked.fails = "prepare"
    assert run(tmp_path, faked) == 1
    assert faked.ran == ["prepare"]
    faked.fails = ""
    assert run(tmp_path, faked) == 0
    assert len(faked.ran) == 6


def test_what_does_not_compose_is_told_before_anything_runs(
    tmp_path: Path, job_settings: Compose
) -> None:
    with pytest.raises(study.SettingsError) as caught:
        planned(tmp_path, job_settings, prepare=["method=grpo", "train.steps=0"])
    assert str(caught.value) == (
        "study.prepare: train.steps = 0: must be at least 1; e.g. train.steps=1"
    )
