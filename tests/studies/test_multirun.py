"""A multirun: what a sweeper may search by, and a job that is started again."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import pytest

from hybrid_rl import cli
from hybrid_rl.config import composing
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError, UsedDirectoryError
from hybrid_rl.execution import launch
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.studies.multirun import search_problems
from tests.conftest import Compose, Load
from tests.fakes.places import ROOT


def hybrid_rl(
    *arguments: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "hybrid_rl", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


class Direction(Enum):
    """As the plugin's."""

    minimize = 1
    maximize = 2


OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"


def test_a_search_that_would_go_for_the_worst_is_refused(load: Load) -> None:
    found = {
        given: list(search_problems({"_target_": OPTUNA, "direction": given}, load()))
        for given in (Direction.minimize, Direction.maximize, "minimize", "maximize")
    }
    refused = [
        "hydra.sweeper.direction = minimize: a job returns its last greedy accuracy on dev, of which more is better;"
        " type hydra.sweeper.direction=maximize"
    ]
    assert list(found.values()) == [refused, [], refused, []]


def test_a_search_without_an_accuracy_on_dev_is_refused(load: Load) -> None:
    sweeper = {"_target_": OPTUNA, "direction": "maximize"}
    never = load("train.eval_every=null")
    assert list(search_problems(sweeper, never)) == [
        "train.eval_every = null: a search goes by the last accuracy on dev; give e.g. train.eval_every=20"
    ]
    assert list(search_problems(sweeper, load("check=true"))) == [
        "check = true: there is no accuracy to search by; check one job without -m"
    ]
    assert list(search_problems(sweeper, load("task=evaluate"))) == [
        "task = evaluate: a search goes by the accuracy on dev while training; type task=train"
    ]
    assert list(search_problems({"_target_": "hydra.BasicSweeper"}, never)) == []


@pytest.mark.slow
def test_the_search_that_is_documented_is_one_and_without_its_direction_it_is_refused(
    tmp_path: Path,
) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    typed = re.search(r"`(-m hydra/sweeper=optuna .*?)`", (ROOT / "docs" / "use.md").read_text())
    assert typed is not None
    words = [*shlex.split(typed[1]), "hydra.sweeper.n_trials=1", "hydra.sweeper.n_jobs=1"]
    tiny = ["experiment=smoke", "method=grpo", "train.steps=1", "eval=none", "train.eval_every=1"]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = hybrid_rl(*words, *tiny, cwd=tmp_path, env=paths)
    assert done.returncode == 0, done.stderr
    assert "Best value: " in done.stdout
    words.remove("hydra.sweeper.direction=maximize")
    done = hybrid_rl(*words, *tiny, cwd=tmp_path, env=paths)
    assert done.returncode == 1
    assert "type hydra.sweeper.direction=maximize" in done.stderr
    assert "Traceback" not in done.stderr


Jobs = Callable[[str, bool], int | list[str | None]]


@pytest.fixture
def job(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """job("seed=1", multirun): the code of a run in tmp_path/run, or for one that starts, what it resumes."""
    started: list[str | None] = []

    def start(settings: Settings, run: RunDir, lock: int) -> int:
        started.append(settings.resume)
        return 0

    monkeypatch.setattr(launch, "start_workers", start)

    def run(override: str, multirun: bool) -> int | list[str | None]:
        started.clear()
        chosen = SimpleNamespace(
            overrides=SimpleNamespace(task=[override]),
            sweeper={"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"},
            runtime=SimpleNamespace(
                output_dir=str(tmp_path / "run"), choices={}, config_sources=[]
            ),
        )
        for module in (cli, composing):
            monkeypatch.setattr(module, "HydraConfig", SimpleNamespace(get=lambda: chosen))
        place = [] if multirun else [f"run_dir={tmp_path / 'run'}"]
        code = cli._run(composed(override, *place), multirun)
        return list(started) or code

    return run


def test_a_job_of_a_multirun_that_is_started_again_resumes(job: Jobs, tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    assert job("seed=1", True) == [None]
    run.write_status("failed", error="stopped by SIGTERM", exit_code=143)
    assert job("seed=1", True) == [str(run.path)]
    run.write_status("failed", error="stopped by SIGTERM", exit_code=143)
    assert job("seed=1", True) == [str(run.path)]
    run.write_status("done")
    assert job("seed=1", True) == 0


def test_a_directory_of_other_settings_or_of_a_single_run_is_refused(
    job: Jobs, tmp_path: Path
) -> None:
    assert job("seed=1", True) == [None]
    RunDir(tmp_path / "run").write_status("failed", error="x", exit_code=1)
    with pytest.raises(SettingsError, match="was started with other settings"):
        job("seed=2", True)
    with pytest.raises(UsedDirectoryError, match="is not empty"):
        job("seed=1", False)
