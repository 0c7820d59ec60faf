"""Every method on every engine, straight, and killed and resumed: `python -m tests.endurance.matrix`. Prints a table.

`straight`: the run ends with its report. `resumed`: the same run, killed at random moments and resumed into later
epochs, ends with the same metrics, decisions, solutions and weights, bit for bit.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from hybrid_rl.recording.run_directory import RunDir
from tests.endurance import interrupted

_ATTEMPTS = 5


def cell(directory: Path, method: str, engine: str, kills: int, draw: random.Random) -> list[str]:
    """What went wrong, straight and resumed: a line each, `pass` where nothing did."""
    began = time.monotonic()
    straight = RunDir(directory / "straight")
    planned = interrupted.settings(straight.path, method, engine)
    code = interrupted.end(interrupted.begin(straight.path, planned), None, "")
    if code != 0:
        return [f"FAIL: exit code {code}", "-"]
    lasted = time.monotonic() - began
    for attempt in range(_ATTEMPTS):
        path = directory / f"resumed-{attempt}"
        again = interrupted.settings(path, method, engine)
        try:
            found = interrupted.interrupt(path, again, straight, lasted, kills, draw, share=0.7)
        except interrupted.OrphanError as error:
            return ["pass", f"FAIL: {error}"]
        if found.ways or found.lost:
            break
    else:
        return ["pass", "FAIL: was always faster than the kill"]
    verdict = f"FAIL: {'; '.join(found.lost)}" if found.lost else f"pass ({len(found.ways)} kills)"
    return ["pass", verdict]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=list(interrupted.METHODS))
    parser.add_argument("--engines", nargs="+", default=list(interrupted.ENGINES))
    parser.add_argument("--kills", type=int, default=2, help="of each resumed run, at least tried")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", type=Path, default=None, help="keeps the runs that failed")
    given = parser.parse_args()
    root = given.directory or Path(tempfile.mkdtemp(prefix="matrix-"))
    draw = random.Random(given.seed)
    interrupted.adopt_orphans()
    print(f"{'method':<14} {'engine':<14} {'straight':<10} resumed", flush=True)
    failed = 0
    for method in given.methods:
        for engine in given.engines:
            directory = root / f"{method}-{engine}"
            directory.mkdir(parents=True)
            verdicts = cell(directory, method, engine, given.kills, draw)
            bad = any(verdict.startswith("FAIL") for verdict in verdicts)
            failed += bad
            if not bad:
                shutil.rmtree(directory)
            print(f"{method:<14} {engine:<14} {verdicts[0]:<10} {verdicts[1]}", flush=True)
    print(f"{failed} cells failed" + (f"; their runs are in {root}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
