"""The benchmark: `python -m hybrid_rl.tools.bench preset=small json=PATH [gsm8k=DIRECTORY] [hardware=gpu] [KEY=VALUE]`.

It runs our trainer against plain trl.GRPOTrainer on the same work, step by step in turn. It says where the time goes,
what each saving is worth, how time grows with the work, how far it is from the limits of the device, and what a user
waits for at the start. `preset=growth` runs no other trainer: it says how time and memory grow, of a step, of reports
and of loading data.
"""

import logging
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
from rich.console import Console

from hybrid_rl.config.composing import settings_of, unknown_options
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording import files, quiet
from hybrid_rl.tools.bench import growth, presets, startup, tables
from hybrid_rl.tools.bench.measure import Bench

log = logging.getLogger("hybrid_rl.tools.bench")  # __name__ is "__main__" here

USAGE = (
    "usage: python -m hybrid_rl.tools.bench preset=small|medium|large|growth json=PATH"
    f" [gsm8k=DIRECTORY of GSM8K's files] [SETTING=VALUE of {', '.join(presets.OPEN)}, such as hardware=gpu]"
)


def main() -> None:
    """Runs the parts of a preset, writes their figures after each part, and prints them as tables at the end."""
    quiet.quiet_third_parties()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    options = dict(word.partition("=")[::2] for word in sys.argv[1:])
    preset = presets.PRESETS.get(options.pop("preset", ""))
    out, data = options.pop("json", None), options.pop("gsm8k", None)
    if preset is None or not out or not all(map(presets.is_open, options)):
        _refuse(USAGE)
    if preset.growth and data:
        _refuse(f"gsm8k = {data}: preset=growth makes up its data; leave it out")
    typed = [f"{key}={value}" for key, value in options.items()]
    if unknown := unknown_options(typed):
        _refuse("\n".join(unknown))
    overrides = presets.overrides(preset, Path(data).resolve() if data else None, typed)
    with tempfile.TemporaryDirectory(prefix="hybrid_rl_bench_") as directory:
        try:
            settings = settings_of(overrides, Path(directory) / "settings")
        except SettingsError as error:
            _refuse(str(error))
        if reason := cannot_run(settings) or (preset.growth and cannot_grow(settings)):
            _refuse(reason)
        found: dict[str, Any] = {}
        for part, figures in parts(preset, settings, overrides, Path(directory)):
            log.info("%s: done", part)
            found |= figures
            files.write_json(Path(out).absolute(), found)  # what is there outlives a later failure
    tables.show(found, Console())


def cannot_run(settings: Settings) -> str | None:
    """Why the benchmark cannot run with these settings, None where it can."""
    hardware = settings.hardware
    if hardware.world_size > 1 or hardware.deepspeed is not None:
        return f"hardware = {hardware.name}: the benchmark is one process without DeepSpeed; choose hardware=cpu or gpu"
    if hardware.device == "cuda" and not torch.cuda.is_available():
        return "hardware.device = cuda: torch finds no GPU here; choose hardware=cpu"
    return None


def cannot_grow(settings: Settings) -> str | None:
    """Why growth cannot be measured with these settings, None where it can."""
    if settings.hardware.device != "cpu":
        found = f"hardware = {settings.hardware.name}"
        return f"{found}: preset=growth counts processor seconds, in which a GPU's are not; choose hardware=cpu"
    if sys.platform != "linux":
        return f"preset=growth: it reads memory from /proc, which {sys.platform} lacks; run it on Linux"
    return None


def parts(
    preset: presets.Preset, settings: Settings, overrides: list[str], directory: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Runs the benchmark; yields the name of each part and its figures, under the keys of the JSON file."""
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
    if preset.growth:
        grown: dict[str, Any] = {}
        for name, figures in growth.run(overrides, directory):
            grown[name] = figures
            yield name, {"growth": grown}
        return
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
    yield "memory", {"memory": startup.memory(overrides, directory, settings, preset.random)}
    yield "start-up", {"startup": startup.times(settings, directory)}


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
