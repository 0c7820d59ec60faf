"""The directory of a study: its lock, its definition in study.json, and what has become of each job in it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from hybrid_rl.config.overrides import differences
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError, UsedDirectoryError
from hybrid_rl.recording import checkpoints
from hybrid_rl.recording.files import write_json
from hybrid_rl.recording.locks import held
from hybrid_rl.recording.run_directory import RunDir

JobState = Literal["new", "done", "cut off", "no checkpoint"]
_LOCK = ".lock"
# Settings in which a resumed run, or a moved directory, may differ from what a job was composed as.
_FREE = ("resume", "check", "calibrate", "price_per_device_hour", "run_dir")


@contextmanager
def hold(directory: Path) -> Iterator[int]:
    """Hold the lock of a study: one at a time in a directory, and none while a job of a killed one is still ending.

    Yields the lock, for jobs to inherit. Raises UsedDirectoryError.
    """
    if directory.exists() and not directory.is_dir():
        raise UsedDirectoryError(f"run_dir = {directory}: is a file; give the path of a directory")
    directory.mkdir(parents=True, exist_ok=True)
    busy = f"run_dir = {directory}: a study is running there, or its last jobs are ending; wait, or stop it first"
    with held(directory / _LOCK, busy) as descriptor:
        for left in directory.glob("*.partial"):  # of a study that was killed while it wrote
            left.unlink()
        yield descriptor


def claim(directory: Path, definition: Mapping[str, Any]) -> None:
    """Write study.json, or check that it has this definition, or one that arms or seeds join; else raises UserError.

    Nothing joins a study that adds seeds until it is decided: its error level is shared by its arms and its looks.
    """
    path = directory / "study.json"
    if path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        if changed := differences(old, _without_what_joins(definition, old)):
            joining = "only arms and seeds may join it"
            if old.get("until") is not None:
                joining = "nothing may join one that adds seeds until it is decided"
            raise SettingsError(
                f"run_dir = {directory}: holds another definition of a study, and {joining};"
                " give a new run_dir, or go on with the old definition. What differs:\n"
                + "\n".join(changed)
            )
        if definition != old:
            write_json(path, definition)
        return
    others = sorted(entry.name for entry in directory.iterdir() if entry.name != _LOCK)
    if others:
        raise UsedDirectoryError(
            f"run_dir = {directory}: is not empty (it holds {', '.join(others[:5])}) and has no study.json;"
            " give a new run_dir for the study"
        )
    write_json(path, definition)


def _without_what_joins(definition: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """The new definition without arms that are not in `old`, and with the seeds of `old` where it keeps them all."""
    if old.get("until") is not None:
        return {**definition}

    def of_known_arms(by_arm: Mapping[str, Any]) -> dict[str, Any]:
        return {arm: own for arm, own in by_arm.items() if arm in old["arms"]}

    known = {key: of_known_arms(definition[key]) for key in ("arms", "after")}
    if definition["tune"] is not None:
        tune = definition["tune"]
        known["tune"] = tune | {key: of_known_arms(tune[key]) for key in ("space", "like")}
    kept = set(old["seeds"]) <= set(definition["seeds"])
    return {**definition, **known, "seeds": old["seeds"] if kept else definition["seeds"]}


def state_of(run: RunDir, settings: Settings) -> JobState:
    """The state of a job; raises SettingsError where it was started with other settings, or is running."""
    if not run.path.exists() or not any(run.path.iterdir()):
        return "new"
    if not run.settings.exists():
        names = {entry.name for entry in run.path.iterdir()}
        if any(
            name != "console.txt" and not name.startswith((".lock-", ".launcher-"))
            for name in names
        ):
            raise UsedDirectoryError(
                f"{run.path}: is not empty, and has no settings.json; move it away, or give a new run_dir"
            )
        return "no checkpoint"
    old = json.loads(run.settings.read_text(encoding="utf-8"))
    new = settings.model_dump(mode="json")
    changed = differences(*({k: v for k, v in one.items() if k not in _FREE} for one in (old, new)))
    if changed:
        raise SettingsError(
            f"{run.path}: was started with other settings; give a new run_dir, or go back to them."
            " What differs:\n" + "\n".join(changed)
        )
    if run.read_status().get("state") == "done":
        return "done"
    if run.is_running():
        raise SettingsError(f"{run.path}: is running; stop that first")
    return "cut off" if checkpoints.complete(run.checkpoints) else "no checkpoint"
