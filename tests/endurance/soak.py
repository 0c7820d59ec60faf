"""Kills runs at random moments until so many kills are reached: `python -m tests.endurance.soak --kills 200`.

Method and engine rotate. A launcher, a rank or all processes are killed, or SIGTERM or SIGINT comes; then the run is
resumed. At its end it must agree with one that nobody killed, no process may be left, and each exit code be right.
"""

import argparse
import itertools
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hybrid_rl.recording.run_directory import RunDir
from tests.endurance import interrupted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--per-run", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.6, help="of a run's time, for each kill")
    parser.add_argument("--engines", nargs="+", default=["one", "ddp", "zero2", "zero3"])
    parser.add_argument("--methods", nargs="+", default=list(interrupted.METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", type=Path, default=None, help="keeps the runs that failed")
    given = parser.parse_args()
    root = given.directory or Path(tempfile.mkdtemp(prefix="soak-"))
    draw = random.Random(given.seed)
    interrupted.adopt_orphans()
    ways: Counter[str] = Counter()
    failed = 0
    cells = list(itertools.product(given.methods, given.engines))
    draw.shuffle(cells)
    for number, (method, engine) in enumerate(itertools.cycle(cells)):
        if ways.total() >= given.kills:
            break
        directory = root / f"{number:03d}-{method}-{engine}"
        directory.mkdir(parents=True)
        began = time.monotonic()
        straight = RunDir(directory / "straight")
        planned = interrupted.settings(straight.path, method, engine)
        found = interrupted.Interrupted([], ["the run that nobody killed failed"])
        if interrupted.end(interrupted.begin(straight.path, planned), None, "") == 0:
            lasted = time.monotonic() - began
            again = interrupted.settings(directory / "killed", method, engine)
            most = min(given.per_run, given.kills - ways.total())
            try:
                found = interrupted.interrupt(
                    directory / "killed", again, straight, lasted, most, draw, given.share
                )
            except interrupted.OrphanError as error:
                found = interrupted.Interrupted([], [str(error)])
        ways.update(found.ways)
        verdict = f"FAIL: {'; '.join(found.lost)}" if found.lost else "identical"
        print(
            f"{ways.total():>4} kills {method:<14} {engine:<6} {' '.join(found.ways)}: {verdict}",
            flush=True,
        )
        if found.lost:
            failed += 1
        else:
            shutil.rmtree(directory)
    counted = ", ".join(f"{count} {way}" for way, count in sorted(ways.items()))
    print(
        f"{ways.total()} kills ({counted}): {failed} runs failed" + (f", in {root}" * bool(failed))
    )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
