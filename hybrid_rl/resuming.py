"""resume=RUN_DIR: the settings of an interrupted run, with the few changes that a resume allows."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from hybrid_rl import checkpoints, rules
from hybrid_rl.rundir import RunDir
from hybrid_rl.settings import Settings, SettingsError

ALLOWED = ("resume", "train.steps", "check")


def load(resume: Path, typed: Sequence[str], steps: int | None, check: bool) -> Settings:
    """The settings of the run in the directory `resume`.

    `typed`: keys given on the command line; `steps`: a new number of optimizer steps, None to keep it. Raises
    SettingsError, with every reason why it cannot be resumed.
    """
    run = RunDir(resume)
    name = f"resume = {resume}"
    if not run.settings.is_file():
        raise SettingsError(
            f"{name}: has no settings.json; give a run directory, not one of its checkpoints"
        )
    try:
        settings = Settings.load_json(run.settings)
    except ValidationError as error:
        raise SettingsError(
            f"{name}: its settings.json is of another version ({error.error_count()} settings do not fit);"
            " resume it with the version in its environment.json"
        ) from error
    lines = [
        f"{key}: cannot change in a resumed run, which keeps its settings; leave it out, or start a new run"
        for key in typed
        if key not in ALLOWED and not key.startswith("hydra.")
    ]
    lines += [f"{name}: {problem}" for problem in _obstacles(run, settings.train.steps, steps)]
    train = settings.train.model_copy(update={} if steps is None else {"steps": steps})
    if train.steps < 1:
        lines.append(f"train.steps = {train.steps}: must be at least 1; give a value that is")
    resumed = settings.model_copy(
        update={"resume": str(resume), "run_dir": str(resume), "check": check, "train": train}
    )
    lines = lines or rules.problems(resumed)
    if lines:
        raise SettingsError("\n".join(sorted(lines)))
    return resumed


def _obstacles(run: RunDir, planned: int, steps: int | None) -> list[str]:
    status = run.read_status()
    if status.get("state") == "running" and _alive(status):
        return [f"is still running as process {status['pid']}; stop that first"]
    if status.get("state") == "done" and (steps or 0) <= planned:
        return [f"is done; to train on, give train.steps above {planned}"]
    if not checkpoints.complete(run.checkpoints):
        return [
            f"has no complete checkpoint; start it again with the command in {run.overrides.name}"
        ]
    return []


def _alive(status: dict[str, object]) -> bool:
    """Whether the process that wrote this status lives on this machine."""
    pid = status.get("pid")
    if status.get("host") != platform.node() or not isinstance(pid, int) or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
