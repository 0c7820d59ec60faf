"""Commands as they are typed, in processes that have the libraries loaded: `python -m tests.fakes.typed ...`.

A command forks from a server, and its workers from it: it takes seconds and not the minute in which libraries are
loaded twice. All else is as ever: the launcher, its worker, exit codes, and what both print.
"""

import os
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path

from hybrid_rl import cli
from hybrid_rl.execution import supervise
from hybrid_rl.execution.forking import Forks
from hybrid_rl.execution.side_by_side import Command
from tests.fakes.places import ROOT

LOADED = ("tests.endurance.interrupted", "hybrid_rl.cli", "hybrid_rl.tools.check")
"""What the server of these processes loads; not this module, which each of them runs."""


@dataclass(frozen=True)
class Typed:
    """What came of a command."""

    code: int
    text: str
    """All that was printed, on both streams."""

    @property
    def said(self) -> list[str]:
        """The lines that are not of the log; those of a traceback are among them."""
        levels = (" INFO ", " WARNING ")
        return [line for line in self.text.splitlines() if not any(one in line for one in levels)]


def type_in(forks: Forks, output: Path, *arguments: str) -> Typed:
    """Type a command and wait for its end. What it prints is kept in `output`; paths in it are best absolute."""
    words = [sys.executable, "-m", "tests.fakes.typed", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_CURRENT_TEST", None)  # each environment has a server of its own
    process = forks.start(Command(words, environment, output, may_fork=True))
    while (code := process.poll()) is None:
        time.sleep(0.05)
    return Typed(code, output.read_text(encoding="utf-8"))


def main() -> None:
    from tests.endurance.interrupted import Forked  # heavy, and only the command needs it

    supervise.subprocess = types.SimpleNamespace(Popen=Forked)  # type: ignore[attr-defined] # a stand-in
    cli.main()


if __name__ == "__main__":
    main()
