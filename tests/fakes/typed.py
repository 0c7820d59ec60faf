"""A command as it is typed, `python -m tests.fakes.typed ...`, whose worker is forked from it: see `programs`.

Where the command has the libraries loaded, its worker has them, too, and need not load them for longer than it runs.
All else is as ever: the launcher, its worker, exit codes, and what both print.
"""

import types

from hybrid_rl import cli
from hybrid_rl.execution import supervise


def main() -> None:
    from tests.endurance.interrupted import Forked  # heavy, and only the command needs it

    supervise.subprocess = types.SimpleNamespace(Popen=Forked)  # type: ignore[attr-defined] # a stand-in
    cli.main()


if __name__ == "__main__":
    main()
