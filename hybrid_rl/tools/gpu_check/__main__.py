"""Whether this package works on a GPU: `python -m hybrid_rl.tools.gpu_check json=PATH [gsm8k=DIRECTORY] [minutes=10]`.

It needs one GPU and about ten minutes. It runs the doctor on each engine, kills a run and resumes it, takes steps of
several methods, tries vLLM where it is installed, and measures steps against plain TRL's. Figures go into one JSON file
after each check; a table is printed at the end. `device=cpu` makes what of it can be made without a GPU.
"""

import logging
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

import torch
from rich.console import Console
from rich.table import Table

from hybrid_rl.recording import environment, files
from hybrid_rl.tools.gpu_check.checks import Check, Found, Place, checks

log = logging.getLogger("hybrid_rl.tools.gpu_check")  # __name__ is "__main__" here

USAGE = (
    "usage: python -m hybrid_rl.tools.gpu_check json=PATH [gsm8k=DIRECTORY of GSM8K's files] [minutes=10]"
    " [device=cuda|cpu] [directory=PATH, to keep the runs]"
)
_OPTIONS = {"json", "gsm8k", "minutes", "device", "directory"}


def main() -> None:
    """Makes all checks; exit code 1 where one failed, 2 for a wrong option or where there is no GPU."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    options = dict(word.partition("=")[::2] for word in sys.argv[1:])
    minutes, device = options.get("minutes", "10"), options.get("device", "cuda")
    if (
        options.keys() - _OPTIONS
        or not options.get("json")
        or not re.fullmatch(r"[1-9]\d*", minutes)
        or device not in ("cuda", "cpu")
    ):
        _refuse(USAGE)
    if device == "cuda" and not torch.cuda.is_available():
        _refuse("device = cuda: torch finds no GPU here; device=cpu makes what needs none")
    gsm8k = Path(options["gsm8k"]).resolve() if options.get("gsm8k") else None
    if gsm8k is not None and not gsm8k.is_dir():
        _refuse(f"gsm8k = {gsm8k}: is no directory; give that of GSM8K's files")
    out = Path(options["json"]).absolute()
    with tempfile.TemporaryDirectory(prefix="hybrid_rl_gpu_check_") as temporary:
        directory = Path(options.get("directory") or temporary).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        place = Place(
            directory=directory,
            device="cpu" if device == "cpu" else "cuda",
            gpus=torch.cuda.device_count() if device == "cuda" else 0,
            gsm8k=gsm8k,
            deadline=time.monotonic() + 60 * int(minutes),
        )
        found = run(place, checks(place), out)
    Console(highlight=False).print(table(found))
    sys.exit(1 if any(one["verdict"] == "FAIL" for one in found.values()) else 0)


def run(place: Place, wanted: dict[str, Check], out: Path) -> dict[str, dict[str, Any]]:
    """Makes the checks in turn; returns what each found, which stands in the file `out` after each of them."""
    machine = environment.describe(Path.cwd())
    if place.device == "cuda":
        machine["devices"] = [torch.cuda.get_device_name(i) for i in range(place.gpus)]
    made: dict[str, dict[str, Any]] = {}
    for name, check in wanted.items():
        began = time.monotonic()
        if place.left <= 0:
            found = Found("skipped", "no time was left; give more minutes")
        else:
            try:
                found = check(place, re.sub(r"\W+", "_", name))
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are to be made
                found = Found("FAIL", f"{type(error).__name__}: {error}")
        seconds = round(time.monotonic() - began, 1)
        made[name] = {**vars(found), "seconds": seconds}
        log.info("%s: %s, %.0f s: %s", name, found.verdict, seconds, found.found)
        files.write_json(out, {"machine": machine, "checks": made})
    return made


def table(found: dict[str, dict[str, Any]]) -> Table:
    """A row for each check."""
    made = Table("check", "verdict", "seconds", "what was found")
    for name, one in found.items():
        made.add_row(name, one["verdict"], f"{one['seconds']:.0f}", one["found"])
    return made


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
