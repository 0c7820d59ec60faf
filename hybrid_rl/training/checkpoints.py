"""Checkpoint folders: which one is complete, what ours adds to transformers' own, which old ones go.

transformers writes weights, optimizer, schedule and RNG states of all ranks; `hybrid_state.json` holds the rest and is
written last, by rename, so a folder without it was cut off while being saved and is never resumed from.
"""

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hybrid_rl.methods.base import Method, MethodSettings
from hybrid_rl.recording.budget import Spent
from hybrid_rl.training.alarms import Guards
from hybrid_rl.training.reference import Reference
from hybrid_rl.training.streams import Stream
from hybrid_rl.types import Example

STATE_FILE = "hybrid_state.json"


@dataclass
class Position:
    """Where a run stands, apart from what transformers saves; its parts are changed in place."""

    questions: Stream[Example]
    demonstrations: Stream[Example] | None
    spent: Spent
    method: Method[MethodSettings]
    guards: Guards
    reference: Reference
    evaluation_due: bool = False
    """Whether an evaluation on dev was left out on the way to a stop; a resume makes up for it."""

    def save(self, checkpoint: Path, step: int) -> None:
        """Adds our part to a checkpoint that transformers has written, and marks it complete."""
        self.reference.save(checkpoint)
        write_state(checkpoint, self.state_dict(step))

    def load(self, checkpoint: Path) -> int:
        """Goes back to where a run stood when `checkpoint` was saved. Returns how many optimizer steps that was."""
        state = read_state(checkpoint)
        self.load_state_dict(state)
        self.reference.load(checkpoint)
        step: int = state["step"]
        return step

    def state_dict(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "questions_taken": self.questions.taken,
            "demonstrations_taken": self.demonstrations.taken if self.demonstrations else 0,
            "spent": asdict(self.spent),
            "method": self.method.state_dict(),
            "guards": self.guards.state_dict(),
            "evaluation_due": self.evaluation_due,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.questions.taken = state["questions_taken"]
        if self.demonstrations is not None:
            self.demonstrations.taken = state["demonstrations_taken"]
        vars(self.spent).update(state["spent"])
        self.method.load_state_dict(state["method"])
        self.guards.load_state_dict(state["guards"])
        self.evaluation_due = state["evaluation_due"]


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
