"""The settings of an interrupted run, for resume=RUN_DIR, with the few changes that a resume allows.

Which checkpoint it goes on from is found later, by the training.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hybrid_rl.config import messages, rules
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.execution import resume_point
from hybrid_rl.recording import files
from hybrid_rl.recording.ending import ending
from hybrid_rl.recording.run_directory import RunDir

ALLOWED = [*resume_point.MAY_CHANGE, "resume", "resume_allows"]


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
    named = [str(key) for key in given.get("resume_allows") or ()]
    allowed = [*ALLOWED, *named]
    lines = [
        f"{key}: cannot change in a resumed run, which keeps its settings; leave it out, start a new run, or allow it"
        f" with 'resume_allows=[{key}]'"
        for key in typed
        if key not in allowed and not key.startswith("hydra.")
    ]
    changed = settings.model_dump() | {"resume": str(resume), "run_dir": str(resume)}
    changed |= {"check": bool(given.get("check")), "resume_allows": named}
    for key in typed:
        path = key.split(".")
        if key in allowed and len(path) > 1:
            here, found = changed, given
            for part in path[:-1]:
                here, found = here[part], found[part]
            here[path[-1]] = found[path[-1]]
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
    if run.is_running():
        return ["is still running; stop that first"]
    status = run.read_status()
    if status.get("state") == "done":
        lines = files.read_jsonl(run.metrics)
        spent = lines[-1] if lines else {}
        found = ending(now.model_dump(), spent, files.read_jsonl(run.progress))
        if found.limit is not None:
            return [f"is done: it has used up {found.limit}; to train on, give more, or null"]
        if found.early is not None:
            return [
                f"is done: it stopped early, with {found.early}; to train on, give a higher train.patience, or null"
            ]
        if now.train.steps <= spent.get("step", before.train.steps):
            return [f"is done; to train on, give train.steps above {before.train.steps}"]
    return []
