"""Programs in processes that have the libraries loaded: a test that starts one waits for what it does, not for imports.

A program is `python -m` in all that it can see; see `fork_server`. Several ranks are forked from one program in turn,
see `endurance.interrupted.Forked`.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hybrid_rl.execution.forking import Forks
from hybrid_rl.execution.side_by_side import Command
from tests.fakes.places import ROOT

LOADED = (
    "tests.endurance.interrupted",  # the first: it says to DeepSpeed that there is no GPU
    "hybrid_rl.cli",
    "hybrid_rl.tools.check",
    "hybrid_rl.tools.doctor.checks",
    "tests.fakes.tiny",
)
"""What the server of these processes loads; not the programs themselves, which each process runs anew."""
_PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Ended:
    """What came of a program."""

    code: int
    text: str
    """All that was printed, on both streams."""

    @property
    def said(self) -> list[str]:
        """The lines that are not of the log; those of a traceback are among them."""
        levels = (" INFO ", " WARNING ")
        return [line for line in self.text.splitlines() if not any(one in line for one in levels)]


class Programs:
    """Programs that start from one server, in one environment, in the directory in which the first one is started."""

    def __init__(self, forks: Forks, outputs: Path) -> None:
        """What programs print is kept in files of `outputs`."""
        self._forks, self._outputs, self._count = forks, outputs, 0
        # One for all: each environment has a server of its own. Libraries read the number of threads as they load.
        own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self._environment = {**os.environ, **own}
        self._environment.pop("PYTEST_CURRENT_TEST", None)

    def run(self, program: str, *arguments: str) -> Ended:
        """Run a module and wait for its end, which is no longer than `_PATIENCE_SECONDS`; absolute paths are best."""
        self._count += 1
        output = self._outputs / f"{self._count}.txt"
        words = [sys.executable, "-m", program, *arguments]
        process = self._forks.start(Command(words, self._environment, output, may_fork=True))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        try:
            while (code := process.poll()) is None:
                assert time.monotonic() < deadline, output.read_text(encoding="utf-8")
                time.sleep(0.05)
        finally:
            process.send_signal(
                signal.SIGTERM
            )  # where it has not ended: the test is stopped, or it hangs
        return Ended(code, output.read_text(encoding="utf-8"))

    def type_in(self, *arguments: str) -> Ended:
        """Type a command of hybrid-rl and wait for its end."""
        return self.run("tests.fakes.typed", *arguments)


@contextmanager
def programs(outputs: Path) -> Iterator[Programs]:
    """Programs, whose server starts with the first and ends with the block."""
    with Forks(LOADED) as forks:
        yield Programs(forks, outputs)
