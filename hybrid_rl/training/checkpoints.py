"""Checkpoint folders: which one is complete, what marks it so, and which old ones go.

transformers writes weights, optimizer, schedule and RNG states of all ranks; `hybrid_state.json` holds the rest and is
written last, by rename, so a folder without it was cut off while being saved and is never resumed from. What is in that
file is the subject of `position`; this one loads no torch.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

STATE_FILE = "hybrid_state.json"


def complete(directory: Path) -> list[Path]:
    """The complete checkpoints in `directory`, oldest first."""
    found = [path.parent for path in directory.glob(f"checkpoint-*/{STATE_FILE}")]
    return sorted(found, key=_step)


def write_state(checkpoint: Path, state: dict[str, Any]) -> None:
    """Marks `checkpoint` complete, once the disk has all of it."""
    for path in checkpoint.rglob("*"):
        if path.is_file():
            with path.open("rb") as saved:
                os.fsync(saved.fileno())
    temporary = checkpoint / f"{STATE_FILE}.tmp"
    with temporary.open("w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(checkpoint / STATE_FILE)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """What `write_state` wrote."""
    state: dict[str, Any] = json.loads((checkpoint / STATE_FILE).read_text())
    return state


def keep_newest(directory: Path, count: int) -> None:
    """Deletes all but the `count` newest complete checkpoints, and incomplete ones older than those."""
    kept = complete(directory)[-count:]
    for path in directory.glob("checkpoint-*"):
        if kept and _step(path) < _step(kept[0]):
            # Without its mark first: a deletion cut short must not leave half a checkpoint that looks whole.
            (path / STATE_FILE).unlink(missing_ok=True)
            shutil.rmtree(path)


def drop_incomplete(directory: Path) -> None:
    """Deletes what was cut off while being saved or deleted, so that it cannot mix with what is saved there next."""
    for path in set(directory.glob("checkpoint-*")) - set(complete(directory)):
        shutil.rmtree(path)


def _step(path: Path) -> int:
    match = re.fullmatch(r"checkpoint-(\d+)", path.name)
    return int(match.group(1)) if match else -1
