"""The time that a user waits before anything is learned, and the memory that training takes, each of a new process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hybrid_rl.config.settings import Settings
from hybrid_rl.execution.launch import worker_environment


def times(settings: Settings, directory: Path) -> dict[str, float]:
    """The seconds of an empty Python, of `--help`, of the imports of a worker, and to the first optimizer step."""
    commands = {
        "python": ["-c", "pass"],
        "help": ["-m", "hybrid_rl", "--help"],
        "imports_of_a_worker": ["-c", "import hybrid_rl.run"],
    }
    environment = worker_environment(settings.hardware, os.environ)
    found = {}
    for name, arguments in commands.items():
        command = [sys.executable, *arguments]
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        found[f"{name}_seconds"] = time.perf_counter() - started
    found["first_step_seconds"] = _first_step(directory / "first_step", environment)
    return found


def _first_step(run_dir: Path, environment: dict[str, str]) -> float:
    """The seconds from the command line to the first line of metrics.jsonl, without evaluation."""
    arguments = ["experiment=smoke", "method=grpo", "eval=none", f"run_dir={run_dir}"]
    command, nowhere = [sys.executable, "-m", "hybrid_rl", *arguments], subprocess.DEVNULL
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere)
    try:
        while not (run_dir / "metrics.jsonl").exists():
            if process.poll() is not None:
                raise RuntimeError(f"a run ended without a step, see {run_dir}/log.txt")
            time.sleep(0.02)
        return time.perf_counter() - started
    finally:
        process.wait()


def memory(
    overrides: Sequence[str], directory: Path, settings: Settings, random: tuple[int, int] | None
) -> dict[str, float]:
    """The largest memory in MB, resident and on the GPU, of a process that trains two steps: ours, and plain TRL's."""
    environment = worker_environment(settings.hardware, os.environ)
    found: dict[str, float] = {}
    for name in ("ours", "plain"):
        model = "x".join(map(str, random)) if random else "-"
        run_dir = str(directory / f"{name}_alone")
        command = [sys.executable, "-m", "hybrid_rl.tools.bench.alone", name, model, run_dir]
        told = subprocess.check_output(
            [*command, *overrides], env=environment, stderr=subprocess.PIPE, text=True
        )
        found |= json.loads(told.splitlines()[-1])
    return found
