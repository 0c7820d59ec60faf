"""The settings of an interrupted run, for resume=RUN_DIR, with the few changes that a resume allows.

Which checkpoint it goes on from is found later, by the training.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hybrid_rl.config import messages, rules
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.train import BudgetSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording import budget, files
from hybrid_rl.recording.run_directory import RunDir

ALLOWED = [f"budget.{axis}" for axis in BudgetSettings.model_fields]
ALLOWED += ["resume", "train.steps", "check", "hardware.node_rank", "hardware.rendezvous"]


def settings_of_interrupted(
    resume: Path, typed: Sequence[str], given: Mapping[str, Any]
) -> Settings:
    """The settings of the run in the directory `resume`.

    `typed`: keys on the command line; `given`: what Hydra composed, of which only the `typed` ones of ALLOWED are
    taken. Raises SettingsError, with every reason why it cannot be resumed.
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
    changed = settings.model_dump() | {"resume": str(resume), "run_dir": str(resume)}
    changed["check"] = bool(given.get("check"))
    for key in typed:
        section, _, field = key.partition(".")
        if key in ALLOWED and field:
            changed[section] = changed[section] | {field: given[section][field]}
    if settings.hardware.nodes > 1:  # its environment says which node this is, not the file
        changed["hardware"] |= {"node_rank": given["hardware"]["node_rank"]}
    try:
        resumed = Settings.model_validate(changed)
    except ValidationError as error:
        origin = messages.Origin({}, typed)
        lines += messages.lines(error, changed, type(settings.method), origin).values()
        raise SettingsError("\n".join(sorted(lines))) from error
    lines += [f"{name}: {problem}" for problem in _obstacles(run, settings, resumed)]
    if lines := lines or rules.problems(resumed):
        raise SettingsError("\n".join(sorted(lines)))
    return resumed


def _obstacles(run: RunDir, before: Settings, now: Settings) -> list[str]:
    """Reasons why there is nothing to resume: the run lives, or it is done and no more is asked for."""
    status = run.read_status()
    if is_running(status):
        return [f"is still running as process {status['pid']}; stop that first"]
    if status.get("state") == "done":
        lines = files.read_jsonl(run.metrics)
        spent = lines[-1] if lines else {}
        if (limit := budget.reached(now.budget.model_dump(), spent)) is not None:
            return [f"is done: it has used up {limit}; to train on, give more, or null"]
        if now.train.steps <= spent.get("step", before.train.steps):
            return [f"is done; to train on, give train.steps above {before.train.steps}"]
    return []


def is_running(status: dict[str, Any]) -> bool:
    """Whether the run of this status.json has not ended, and the process that wrote it lives on this machine."""
    pid = status.get("pid")
    begun_here = status.get("state") == "running" and status.get("host") == platform.node()
    if not begun_here or not isinstance(pid, int) or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it lives, and is another user's
    return True
