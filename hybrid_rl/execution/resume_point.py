"""Where a resumed run goes on: its newest whole checkpoint, once the files of the run are found to fit it.

Everything is checked before a worker starts, and whoever calls holds the lock of the run.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hybrid_rl.config.overrides import flat
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.train import BudgetSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording import checkpoints, files
from hybrid_rl.recording.files import DamagedFileError
from hybrid_rl.recording.run_directory import RunDir

log = logging.getLogger(__name__)

MAY_CHANGE = [f"budget.{axis}" for axis in BudgetSettings.model_fields]
MAY_CHANGE += [
    "train.steps",
    "train.epochs",
    "train.patience",
    "check",
    "calibrate",
    "price_per_device_hour",
]
MAY_CHANGE += ["hardware.node_rank", "hardware.rendezvous"]
"""Settings that a resume may change without naming them in resume_allows."""
_OWN = ("resume", "run_dir", "resume_allows")  # they speak of the start, not of the run


def settle(run: RunDir, settings: Settings) -> None:
    """Makes the newest whole checkpoint the newest of all, and clears away what killed writers left.

    Damaged checkpoints are set aside with a warning. Raises SettingsError, with all lines, where the run cannot go on
    from there, and before anything is changed.
    """
    chosen, damaged = find(run, settings)
    for checkpoint, what in damaged.items():
        left = checkpoints.set_aside(checkpoint)
        name = "the beginning" if chosen is None else chosen.name
        log.warning(
            "%s: %s; it is %s now, and the run goes on from %s", checkpoint, what, left.name, name
        )
    for path in run.path.rglob("*.partial"):
        if path.is_file():
            path.unlink()


def find(run: RunDir, settings: Settings) -> tuple[Path | None, dict[Path, str]]:
    """The newest whole checkpoint, None where none was ever saved, and what is wrong with each newer one.

    Raises SettingsError, with all lines, where the run cannot go on from there.
    """
    name = f"resume = {run.path}"
    if links := [str(path.relative_to(run.path)) for path in _links(run.path)]:
        raise SettingsError(
            f"{name}: holds links ({', '.join(sorted(links)[:5])}), through which the run would write elsewhere;"
            " put files and directories in their places"
        )
    damaged: dict[Path, str] = {}
    chosen: Path | None = None
    for checkpoint in reversed(checkpoints.complete(run.checkpoints)):
        if (what := checkpoints.damage(checkpoint)) is None:
            chosen = checkpoint
            break
        damaged[checkpoint] = what
    if damaged and chosen is None:
        told = "; ".join(f"{path.name}: {what}" for path, what in damaged.items())
        raise SettingsError(
            f"{name}: no checkpoint is whole ({told}); put the files back as they were, or start a new run"
        )
    if chosen is not None:
        try:
            problems = [*_unfit(run, settings, chosen)]
        except DamagedFileError as error:
            problems = [
                f"{name}: {error}; put the file back as it was when {chosen.name} was saved"
            ]
        if problems:
            raise SettingsError("\n".join(problems))
    return chosen, damaged


def _unfit(run: RunDir, settings: Settings, checkpoint: Path) -> Iterator[str]:
    """Reasons why these settings, or the logs of the run, do not fit a whole checkpoint."""
    step = int(checkpoints.read_state(checkpoint)["step"])
    if settings.train.steps < step:
        yield (
            f"train.steps = {settings.train.steps}: {checkpoint.name} is further than that; give at least {step},"
            f" or move later checkpoints away to go on from an earlier one"
        )
    saved = _completed(checkpoints.read_settings(checkpoint))
    yield from edited(
        saved, settings.model_dump(mode="json"), settings.resume_allows, checkpoint.name
    )
    files.read_steps(run.metrics, step)
    files.read_steps(run.decisions, step)
    files.read_jsonl(run.progress)
    files.read_jsonl(run.alarms)


def _completed(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings with the defaults of those that there were none of when they were saved."""
    try:
        return Settings.model_validate(saved).model_dump(mode="json")
    except ValidationError:
        return saved  # what does not fit is told as a change


def edited(
    saved: Mapping[str, Any], now: Mapping[str, Any], allowed: Sequence[str], since: str
) -> Iterator[str]:
    """A line for every setting that was changed `since` it was saved, and that is not allowed to."""
    before, after = flat(saved), flat(now)
    free = (*MAY_CHANGE, *_OWN, *allowed)
    for key in dict.fromkeys([*before, *after]):
        was, given = (one.get(key, "not there") for one in (before, after))
        if was != given and not any(key == one or key.startswith(f"{one}.") for one in free):
            yield (
                f"{key} = {given}: was {was} when {since} was saved, and settings.json was changed since; change it"
                f" back, or allow it with 'resume_allows=[{key}]'"
            )


def _links(directory: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(directory):
        yield from (path for name in (*folders, *names) if (path := Path(place, name)).is_symlink())
