"""The benchmark: python -m hybrid_rl.bench preset=small json=PATH [gsm8k=DIRECTORY]

Ours against plain trl.GRPOTrainer on the same work, step by step in turn; where the time goes, what each saving is
worth, how it grows, how far from the limits of the device it is, and what a user waits for at the start.
"""

import logging
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from hybrid_rl import console, rundir
from hybrid_rl.bench import presets, startup, tables
from hybrid_rl.bench.measure import Bench
from hybrid_rl.cli import settings_of

log = logging.getLogger("hybrid_rl.bench")  # __name__ is "__main__" here

USAGE = "usage: python -m hybrid_rl.bench preset=small|medium json=PATH [gsm8k=DIRECTORY of GSM8K's files]"


def main() -> None:
    console.quiet_third_parties()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    options = dict(word.partition("=")[::2] for word in sys.argv[1:])
    preset = presets.PRESETS.get(options.pop("preset", ""))
    out, data = options.pop("json", None), options.pop("gsm8k", None)
    if preset is None or not out or options:
        sys.stderr.write(f"{USAGE}\n")
        sys.exit(2)
    overrides = presets.overrides(preset, Path(data).resolve() if data else None)
    with tempfile.TemporaryDirectory(prefix="hybrid_rl_bench_") as directory:
        found: dict[str, Any] = {}
        for part, figures in parts(preset, overrides, Path(directory)):
            log.info("%s: done", part)
            found |= figures
            rundir.write_json(Path(out).absolute(), found)  # what is there outlives a later failure
    tables.show(found, Console())


def parts(
    preset: presets.Preset, overrides: list[str], directory: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The figures, part by part: name of the part, and what it adds to the report."""
    settings = settings_of(overrides, directory / "settings")
    if settings.hardware.threads is not None:
        torch.set_num_threads(settings.hardware.threads)
    bench = Bench(preset, overrides, directory)
    machine = {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    yield "machine", {"machine": machine, "overrides": overrides}
    whole = bench.against_plain(1.0)
    yield "every group", {"grpo_step_ratio_to_trl": whole.pop("ratio"), "none_zero": whole}
    half = bench.against_plain(0.5)
    yield "half", {"grpo_step_ratio_to_trl_half_zero": half.pop("ratio"), "half_zero": half}
    if preset.savings:
        yield "savings", {"savings": bench.savings()}
    if preset.search:
        yield "search", {"bread_search": bench.search()}
    yield "methods", {"methods": bench.methods()}
    yield "scaling", {"scaling": bench.scaling()}
    yield "memory", {"memory": startup.memory(overrides, directory, settings)}
    yield "start-up", {"startup": startup.times(settings, directory)}


if __name__ == "__main__":
    main()
