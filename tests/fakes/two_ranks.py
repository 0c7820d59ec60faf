"""Two ranks on one engine, as a launcher starts them: `python -m tests.fakes.two_ranks PROGRAM DIRECTORY ENGINE ...`.

Each is a `python -m tests.fakes.PROGRAM DIRECTORY ENGINE ...`, forked from this process, which has the libraries
loaded where it was forked itself: see `programs`. All else is as ever: the supervisor, the place where ranks meet, and
their variables.
"""

import os
import sys
import types
from pathlib import Path

from hybrid_rl.execution import launch, supervise
from tests.fakes import tiny


def main() -> None:
    from tests.endurance.interrupted import Forked  # heavy, and only who starts ranks needs it

    program, directory, engine = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    hardware = tiny.settings(
        directory,
        hardware=engine.partition("+")[0],  # what follows a + is the program's own matter
        hardware__device="cpu",
        hardware__processes=2,
        hardware__collective_timeout_seconds=120,
    ).hardware
    shared = launch.worker_environment(hardware, os.environ) | {"OMP_NUM_THREADS": "1"}
    del shared["HYBRID_RL_LAUNCHER"]
    supervise.subprocess = types.SimpleNamespace(Popen=Forked)  # type: ignore[attr-defined] # a stand-in
    with launch.meeting_point(hardware) as (place, descriptors):
        ended = supervise.supervise(
            [sys.executable, "-m", f"tests.fakes.{program}", *sys.argv[2:]],
            [shared | place | launch.rank_environment(hardware, rank) for rank in (0, 1)],
            10.0,
            descriptors,
        )
    sys.exit(ended.code)


if __name__ == "__main__":
    main()
