"""Checkpoint folders: which one is complete, what marks it so, whether it is as it was written, and which old ones go.

transformers writes weights, optimizer, schedule and RNG states of all ranks. `hybrid_state.json` holds the rest, and a
manifest of every file with its size and hash; it is written last, by rename, so a folder without it was cut off while
being saved and is never resumed from. What a state is, the trainer's `position` knows; this file loads no torch.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

STATE_FILE = "hybrid_state.json"
_SETTINGS_FILE = "hybrid_settings.json"


def complete(directory: Path) -> list[Path]:
    """The complete checkpoints in `directory`, oldest first. Whether their files are still whole, `damage` says."""
    found = [path.parent for path in directory.glob(f"checkpoint-*/{STATE_FILE}")]
    return sorted(found, key=step_of)


def write_state(checkpoint: Path, state: dict[str, Any]) -> None:
    """Marks `checkpoint` complete, once the disk has all of it."""
    files = {}
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and path.name != f"{STATE_FILE}.tmp":
            with path.open("rb") as saved:
                os.fsync(saved.fileno())
                digest = hashlib.file_digest(saved, "sha256").hexdigest()
                files[str(path.relative_to(checkpoint))] = [saved.tell(), digest]
    state = json.loads(json.dumps(state))  # as it will be read, for the hash
    marked = {"state": state, "files": files, "sha256": _digest(state, files)}
    temporary = checkpoint / f"{STATE_FILE}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(marked, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(checkpoint / STATE_FILE)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The state that `write_state` wrote."""
    marked: dict[str, Any] = json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
    state: dict[str, Any] = marked["state"]
    return state


def write_settings(checkpoint: Path, settings: str) -> None:
    """Keeps the settings of the run with a checkpoint, as JSON, so that a resume sees what was changed in between."""
    (checkpoint / _SETTINGS_FILE).write_text(f"{settings}\n", encoding="utf-8")


def read_settings(checkpoint: Path) -> dict[str, Any]:
    """The settings that `write_settings` wrote."""
    return dict(json.loads((checkpoint / _SETTINGS_FILE).read_text(encoding="utf-8")))


def damage(checkpoint: Path) -> str | None:
    """What differs in a complete checkpoint from what was written, in words that name the file; None: nothing.

    Every file is read whole. Files that were added are no damage: nothing reads them.
    """
    try:
        marked = json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
        state, files, written = (marked[key] for key in ("state", "files", "sha256"))
        if written != _digest(state, files):
            return f"{STATE_FILE} was changed"
    except (ValueError, LookupError, TypeError):
        return f"{STATE_FILE} cannot be read, or is of another version"
    for name, (size, digest) in files.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if (found := path.stat().st_size) != size:
            return f"{name} has {found:,} bytes instead of {size:,}"
        with path.open("rb") as saved:
            if hashlib.file_digest(saved, "sha256").hexdigest() != digest:
                return f"{name} was changed"
    return None


def set_aside(checkpoint: Path) -> Path:
    """Renames a damaged checkpoint, so that no resume takes it and what is left can be looked at; returns the new path.

    The run will save the same step again.
    """
    numbers = ["", *(f"-{number}" for number in range(2, 100))]
    places = [checkpoint.with_name(f"damaged-{checkpoint.name}{number}") for number in numbers]
    return checkpoint.rename(next(place for place in places if not place.exists()))


def keep_newest(directory: Path, count: int) -> None:
    """Deletes all but the `count` newest complete checkpoints, at least one, and incomplete ones older than those."""
    kept = complete(directory)[-max(1, count) :]
    for path in directory.glob("checkpoint-*"):
        if kept and step_of(path) < step_of(kept[0]):
            # Without its mark first: a deletion cut short must not leave half a checkpoint that looks whole.
            (path / STATE_FILE).unlink(missing_ok=True)
            shutil.rmtree(path)


def drop_all(directory: Path) -> None:
    """Deletes the checkpoints of a run that is done."""
    for path in complete(directory):
        # Without its mark first, as in `keep_newest`.
        (path / STATE_FILE).unlink()
    drop_incomplete(directory)


def drop_incomplete(directory: Path) -> None:
    """Deletes what was cut off while being saved or deleted, so that it cannot mix with what is saved there next."""
    for path in set(directory.glob("checkpoint-*")) - set(complete(directory)):
        shutil.rmtree(path)


def step_of(checkpoint: Path) -> int:
    """The number of optimizer steps in a checkpoint's name; -1 where it has none."""
    match = re.fullmatch(r"checkpoint-(\d+)", checkpoint.name)
    return int(match.group(1)) if match else -1


def _digest(state: dict[str, Any], files: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([state, files], sort_keys=True).encode()).hexdigest()
