"""The run directory, the record of a run: the name of every file in it, and the state that status.json gives.

How files are written, `files` knows; what is written into them, those who write them.
"""

import os
import platform
import shlex
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hybrid_rl.errors import USER_ERROR, UsedDirectoryError
from hybrid_rl.recording import locks
from hybrid_rl.recording.files import read_json, write_json

Moment = Literal["before", "after", "best"]
RunState = Literal["running", "done", "failed"]
_LOCKS = (".lock-", ".launcher-")


class RunDir:
    """The paths of a run's files. Methods that make, refuse, add, read, write or ask touch the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / "settings.json"
        self.environment = path / "environment.json"
        self.status = path / "status.json"
        self.overrides = path / "overrides.txt"
        """The command lines of the run, to paste, one for each start."""
        self.log = path / "log.txt"
        self.metrics = path / "metrics.jsonl"
        self.decisions = path / "decisions.jsonl"
        self.alarms = path / "alarms.jsonl"
        """The alarms: a line for each that began, and for each update that was skipped."""
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.best_model = path / "best_model"
        """The weights that were best on dev, with eval.best."""
        self.progress = path / "eval" / "progress.jsonl"
        """The dev curve: a line for each evaluation on dev during training."""
        self.report = path / "report.md"
        self.plots = path / "plots"
        self.notes = path / "notes.json"
        """What the notes in decisions.jsonl are called in reports: `Method.notes`."""

    def lock(self, node_rank: int) -> Path:
        """The lock that every process of the run on that node holds; see `locks.held`."""
        return self.path / f".lock-{node_rank}"

    def launcher_lock(self, node_rank: int) -> Path:
        """The lock that the process which started the run on that node holds, and no other; see `locks.owned`."""
        return self.path / f".launcher-{node_rank}"

    def is_running(self) -> bool:
        """Whether a process that started the run lives, by its lock; ranks that are ending may outlive it."""
        return any(map(locks.is_owned, self.path.glob(".launcher-*")))

    def rank_log(self, rank: int) -> Path:
        """The log of a rank other than 0."""
        return self.path / "logs" / f"rank_{rank}.txt"

    def guarded_batch(self, step: int, rank: int) -> Path:
        """A rank's share of a batch whose loss or gradient was not finite."""
        return self.path / "guards" / f"step_{step:06d}_rank_{rank}.jsonl"

    def rollouts(self, step: int) -> Path:
        """The solutions sampled in an optimizer step, a line each."""
        return self.path / "rollouts" / f"step_{step:06d}.jsonl"

    def evaluation(self, moment: Moment) -> Path:
        """The directory of one evaluation: a .jsonl per set and summary.json."""
        return self.path / "eval" / moment

    def create(self) -> None:
        """Make the directory; raises UsedDirectoryError unless it is new or empty, or holds `leftovers` alone."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            told = f"run_dir = {self.path}: is a file; give the path of a directory"
            raise UsedDirectoryError(told) from error
        if not self.leftovers():
            self.refuse_used()

    def leftovers(self) -> list[Path]:
        """The files of a run that was refused before it began; none where the directory holds anything else, or less.

        Such a run has said in status.json what the user can fix, and has neither trained nor evaluated.
        """
        status = self.read_status()
        if (status.get("state"), status.get("exit_code")) != ("failed", USER_ERROR):
            return []
        written = {self.settings, self.environment, self.status, self.overrides, self.log}
        logs = self.rank_log(0).parent
        found = [
            path
            for path in (*self.path.iterdir(), *logs.glob("*"))
            if not path.name.startswith(_LOCKS) and path != logs
        ]
        known = all(path in written or path.match("logs/rank_*.txt") for path in found)
        linked = any(path.is_symlink() or not path.is_file() for path in found)
        return found if known and not linked and not logs.is_symlink() else []

    def clear_leftovers(self) -> None:
        """Remove the `leftovers`, so that a run can begin here. Whoever calls holds the lock of the run."""
        for path in self.leftovers():
            path.unlink()
        with suppress(OSError):  # there may be none
            self.rank_log(0).parent.rmdir()

    def refuse_used(self) -> None:
        """Raise UsedDirectoryError where the directory holds more than locks; of two starts the second finds more."""
        names = sorted(entry.name for entry in self.path.iterdir())
        if held := [name for name in names if not name.startswith(_LOCKS)]:
            raise UsedDirectoryError(
                f"run_dir = {self.path}: is not empty (it holds {', '.join(held[:5])}), and no run writes over another;"
                f" give a new run_dir, leave it out to get a dated one, or continue that run with resume={self.path}"
            )

    def add_overrides(self, command_line: Sequence[str]) -> None:
        """Add a command line, quoted as a shell wants it."""
        with self.overrides.open("a", encoding="utf-8") as file:
            file.write(f"{shlex.join(command_line)}\n")

    def read_status(self) -> dict[str, Any]:
        """What status.json says; empty when there is none."""
        return read_json(self.status) if self.status.exists() else {}

    def write_status(
        self,
        state: RunState,
        error: str | None = None,
        exit_code: int | None = None,
        resumed: bool = False,
        ended_by: str | None = None,
    ) -> None:
        """Replace the state; `history` keeps every change, so a resumed run shows all its starts and ends.

        `ended_by`: what ended training before all of its steps were made.
        """
        history = self.read_status().get("history", [])
        record: dict[str, Any] = {
            "state": state,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": platform.node(),
            "pid": os.getpid(),
        }
        known: dict[str, Any] = {"error": error, "exit_code": exit_code, "resumed": resumed or None}
        known["ended_by"] = ended_by
        record |= {key: value for key, value in known.items() if value is not None}
        write_json(self.status, {**record, "history": [*history, record]})
