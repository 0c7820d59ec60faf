"""resume=RUN_DIR: which settings are taken, and what is refused."""

import json
import subprocess
import sys
from typing import Any

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.execution import launch, resuming
from hybrid_rl.recording.run_directory import RunDir
from tests.execution.conftest import checkpoint_of


def test_a_resume_takes_the_settings_of_the_run(started: tuple[Settings, RunDir]) -> None:
    settings, run = started
    run.write_status("failed", error="x", exit_code=1)
    checkpoint_of(run)
    resumed = resuming.settings_of_interrupted(
        run.path, ["resume", "train.steps"], {"train": {"steps": 200}}
    )
    assert resumed.train.steps == 200
    assert resumed.resume == resumed.run_dir == str(run.path)
    assert resumed.method == settings.method
    launch.prepare(resumed, ["hybrid-rl", f"resume={run.path}"], run.path)
    assert run.read_status()["resumed"] is True
    assert Settings.load_json(run.settings) == resumed
    assert len(run.overrides.read_text().splitlines()) == 2


def _refusal(run: RunDir, typed: list[str], given: dict[str, Any] | None = None) -> str:
    with pytest.raises(SettingsError) as error:
        resuming.settings_of_interrupted(run.path, typed, given or {})
    return str(error.value).replace(str(run.path), "RUN")


def test_a_resume_refuses_other_settings(started: tuple[Settings, RunDir]) -> None:
    _, run = started
    run.write_status("failed")
    checkpoint_of(run)
    assert _refusal(run, ["resume", "seed", "method"]) == (
        "method: cannot change in a resumed run, which keeps its settings; leave it out, start a new run, or allow it"
        " with 'resume_allows=[method]'\n"
        "seed: cannot change in a resumed run, which keeps its settings; leave it out, start a new run, or allow it"
        " with 'resume_allows=[seed]'"
    )


def test_a_resume_refuses_what_is_done_or_is_no_run(started: tuple[Settings, RunDir]) -> None:
    _, run = started
    run.write_status("done")
    assert _refusal(run, ["resume"]) == (
        "resume = RUN: is done; to train on, give train.steps above 140"
    )
    fewer = {"train": {"steps": 0}}
    assert _refusal(run, ["resume", "train.steps"], fewer) == (
        "train.steps = 0: must be at least 1; e.g. train.steps=1"
    )
    run.settings.unlink()
    assert _refusal(run, ["resume"]) == (
        "resume = RUN: has no settings.json; give a run directory, not one of its checkpoints"
    )


def test_a_run_that_used_up_its_budget_is_resumed_with_a_larger_one(
    started: tuple[Settings, RunDir],
) -> None:
    settings, run = started
    checkpoint_of(run)
    budget = settings.budget.model_copy(update={"generated_tokens": 1000})
    limited = settings.model_copy(update={"budget": budget})
    run.settings.write_text(limited.model_dump_json())
    run.metrics.write_text('{"step": 7, "generated_tokens": 1010}\n')
    run.write_status("done")
    assert _refusal(run, ["resume"]) == (
        "resume = RUN: is done: it has used up budget.generated_tokens = 1,000; to train on, give more, or null"
    )
    more = {"budget": {"generated_tokens": 2000}}
    resumed = resuming.settings_of_interrupted(
        run.path, ["resume", "budget.generated_tokens"], more
    )
    assert resumed.budget.generated_tokens == 2000
    assert resumed.train.steps == settings.train.steps


def test_a_run_that_stopped_early_is_resumed_with_more_patience(
    started: tuple[Settings, RunDir],
) -> None:
    settings, run = started
    checkpoint_of(run)
    train = settings.train.model_copy(update={"patience": 1})
    run.settings.write_text(settings.model_copy(update={"train": train}).model_dump_json())
    run.metrics.write_text('{"step": 7}\n')
    run.progress.parent.mkdir()
    run.progress.write_text('{"step": 5, "greedy": 0.5}\n{"step": 7, "greedy": 0.5}\n')
    run.write_status("done")
    assert _refusal(run, ["resume"]) == (
        "resume = RUN: is done: it stopped early, with no accuracy on dev above 0.500, that of step 5, in 1 look"
        " (train.patience = 1); to train on, give a higher train.patience, or null"
    )
    more = {"train": {"patience": 2}}
    resumed = resuming.settings_of_interrupted(run.path, ["resume", "train.patience"], more)
    assert resumed.train.patience == 2


def test_a_change_that_is_allowed_by_name_is_taken(started: tuple[Settings, RunDir]) -> None:
    _, run = started
    run.write_status("failed")
    key = "train.rl.learning_rate"
    given = {"resume_allows": [key], "train": {"rl": {"learning_rate": 0.5}}}
    resumed = resuming.settings_of_interrupted(run.path, ["resume", "resume_allows", key], given)
    assert resumed.train.rl.learning_rate == 0.5


def test_a_run_that_is_still_running_is_not_resumed(started: tuple[Settings, RunDir]) -> None:
    _, run = started
    own = (
        "import sys; from pathlib import Path; from hybrid_rl.recording import locks\n"
        "with locks.owned(Path(sys.argv[1]), 'busy'): print('held', flush=True); sys.stdin.read()"
    )
    launcher = subprocess.Popen(
        [sys.executable, "-c", own, str(run.launcher_lock(0))], stdin=-1, stdout=-1
    )
    assert launcher.stdout is not None
    launcher.stdout.readline()
    assert _refusal(run, ["resume"]) == "resume = RUN: is still running; stop that first"
    launcher.communicate()
    resuming.settings_of_interrupted(run.path, ["resume"], {})


def test_a_process_that_has_the_number_of_the_launcher_by_now_does_not_stand_for_it(
    started: tuple[Settings, RunDir],
) -> None:
    _, run = started
    run.status.write_text(json.dumps({**run.read_status(), "pid": 1}))
    resuming.settings_of_interrupted(run.path, ["resume"], {})
