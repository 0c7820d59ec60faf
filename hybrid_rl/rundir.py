"""The run directory, the source of truth of a run: the name of every artefact, written so that none is half there."""

import fcntl
import json
import os
import platform
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

Moment = Literal["before", "after", "best"]
State = Literal["running", "done", "failed"]
USER_ERROR = 2
"""Exit code, in status.json and of the command, for what the user can fix."""


class UsedDirectoryError(ValueError):
    """The directory holds something already; the message says what to do."""


@dataclass(frozen=True)
class RunDir:
    """Paths of a run's artefacts; only `create` and the `write_*` and `append_*` methods touch the disk."""

    path: Path

    @property
    def settings(self) -> Path:
        return self.path / "settings.json"

    @property
    def overrides(self) -> Path:
        """The command line, to paste; one line per start."""
        return self.path / "overrides.txt"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    def lock(self, node_rank: int) -> Path:
        """Held by every process of a run on that node; see `held`."""
        return self.path / f".lock-{node_rank}"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    def rank_log(self, rank: int) -> Path:
        """Of a rank other than 0."""
        return self.path / "logs" / f"rank_{rank}.txt"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def decisions(self) -> Path:
        return self.path / "decisions.jsonl"

    @property
    def alarms(self) -> Path:
        """One line per alarm that began, and per update that was skipped."""
        return self.path / "alarms.jsonl"

    def guarded_batch(self, step: int, rank: int) -> Path:
        """A rank's share of a batch whose loss or gradient was not finite."""
        return self.path / "guards" / f"step_{step:06d}_rank_{rank}.jsonl"

    def rollouts(self, step: int) -> Path:
        return self.path / "rollouts" / f"step_{step:06d}.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def best_model(self) -> Path:
        """The weights that were best on dev, with eval.best."""
        return self.path / "best_model"

    def evaluation(self, moment: Moment) -> Path:
        """Directory of one evaluation: a .jsonl per set and summary.json."""
        return self.path / "eval" / moment

    @property
    def progress(self) -> Path:
        """One line per evaluation on dev during training."""
        return self.path / "eval" / "progress.jsonl"

    @property
    def report(self) -> Path:
        return self.path / "report.md"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    def create(self) -> None:
        """Make the directory; raises UsedDirectoryError unless it is new or empty."""
        if self.path.exists() and not self.path.is_dir():
            raise UsedDirectoryError(
                f"run_dir = {self.path}: is a file; give the path of a directory"
            )
        if self.path.is_dir() and any(self.path.iterdir()):
            found = ", ".join(sorted(entry.name for entry in self.path.iterdir())[:5])
            raise UsedDirectoryError(
                f"run_dir = {self.path}: is not empty (it holds {found}), and no run writes over another;"
                f" give a new run_dir, leave it out to get a dated one,"
                f" or continue that run with resume={self.path}"
            )
        self.path.mkdir(parents=True, exist_ok=True)

    def add_overrides(self, command_line: Sequence[str]) -> None:
        """One line, ready to be pasted into a shell."""
        with self.overrides.open("a", encoding="utf-8") as file:
            file.write(f"{shlex.join(command_line)}\n")

    def read_status(self) -> dict[str, Any]:
        """What status.json says; empty when there is none."""
        return json.loads(self.status.read_text()) if self.status.exists() else {}

    def write_status(
        self,
        state: State,
        error: str | None = None,
        exit_code: int | None = None,
        resumed: bool = False,
    ) -> None:
        """Replace the state; `history` keeps every change, so a resumed run shows all its starts and ends."""
        history = self.read_status().get("history", [])
        record: dict[str, Any] = {
            "state": state,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": platform.node(),
            "pid": os.getpid(),
        }
        if error is not None:
            record["error"] = error
        if exit_code is not None:
            record["exit_code"] = exit_code
        if resumed:
            record["resumed"] = True
        write_json(self.status, {**record, "history": [*history, record]})


def dated(root: Path, name: str) -> Path:
    """A directory that does not exist yet: root/name/<yyyymmdd-hhmmss>, numbered within one second."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    candidates = [root / name / stamp] + [root / name / f"{stamp}-{i}" for i in range(2, 100)]
    return next(path for path in candidates if not path.exists())


@contextmanager
def held(lock: Path, patience_seconds: float) -> Iterator[int]:
    """Hold `lock`, waiting while processes of an earlier start are still ending; yields it for children to inherit.

    The system frees it with the last of them, however they end. Raises UsedDirectoryError after `patience_seconds`.
    """
    deadline = time.monotonic() + patience_seconds
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise UsedDirectoryError(
                        f"run_dir = {lock.parent}: processes of an earlier start are still at work; end them first"
                    ) from error
            time.sleep(0.2)
        yield file.fileno()


def write_text(path: Path, text: str) -> None:
    """Replace the file as a whole: a reader, or a crash, sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """As `write_text`; NaN and infinity are refused with ValueError, for they are not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_json(path: Path, record: Mapping[str, Any]) -> None:
    """Add one line to a .jsonl file, in a single write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All complete lines; a last line that was cut by a crash is left out. Empty when there is no file."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]
