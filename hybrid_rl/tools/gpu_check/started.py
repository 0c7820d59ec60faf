"""Commands that are started within a time limit, and end with every process that they have started."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_TAIL = 2  # lines of what a command said last
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int | None
    """Its exit code; None where it was killed, because the time was up or `until` was true."""
    seconds: float
    said: str
    """The last lines of its output."""


def run(
    arguments: Sequence[str], log: Path, seconds: float, until: Callable[[], bool] = lambda: False
) -> Ended:
    """Runs `python -m` with these arguments, its output in the file `log`, for at most `seconds`.

    Once `until` is true, or the time is up, the process and all below it are killed at once.
    """
    began = time.monotonic()
    with beside([sys.executable, "-m", *arguments], log) as process:
        while (code := process.poll()) is None and not until():
            if time.monotonic() - began > seconds:
                break
            time.sleep(_POLL_SECONDS)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return Ended(code, time.monotonic() - began, " / ".join(lines[-_TAIL:]))


@contextmanager
def beside(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs inside the block, and is killed with all below it where it has not ended by then."""
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
        try:
            yield process
        finally:  # an interrupt of the whole leaves nothing behind either
            if process.poll() is None:
                _kill(process.pid)
            process.wait()


def _kill(pid: int) -> None:
    """Kills a process and all below it, workers in sessions of their own among them, and waits for them to be gone."""
    parent = psutil.Process(pid)
    family = [*parent.children(recursive=True), parent]
    for one in family:
        one.kill()
    psutil.wait_procs(family, timeout=10)
