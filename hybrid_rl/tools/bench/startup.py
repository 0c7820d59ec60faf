"""The time that a user waits before anything is learned, and the memory that training takes, each of a new process.

`python -m hybrid_rl.tools.bench.startup ours|plain HIDDENxLAYERS DIRECTORY OVERRIDES...` is the process whose memory is
taken (- for the configured size).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from hybrid_rl.config import composing
from hybrid_rl.config.settings import Settings
from hybrid_rl.execution.launch import worker_environment
from hybrid_rl.recording import quiet
from hybrid_rl.tools.bench import relay
from hybrid_rl.tools.bench.workload import Workload, random_model
from hybrid_rl.verification.grader import Grader


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
        command = [sys.executable, "-m", __name__, name, model, run_dir]
        told = subprocess.check_output(
            [*command, *overrides], env=environment, stderr=subprocess.PIPE, text=True
        )
        found |= json.loads(told.splitlines()[-1])
    return found


def main() -> None:
    """Trains two steps with one trainer; prints its largest memory, in megabytes, as a line of JSON."""
    quiet.quiet_third_parties()
    name, size, directory, *overrides = sys.argv[1:]
    settings = composing.settings_of([*overrides, "train.steps=2"], Path(directory))
    with Grader(settings.reward) as grader:
        workload = Workload.load(settings, grader, mixed_share=1.0)
        if size != "-":
            hidden, layers = map(int, size.split("x"))
            workload.model = random_model(workload.model, hidden, layers)
        relay.run([workload.ours() if name == "ours" else workload.plain()])
    found = {f"{name}_rss_mb": _largest_mb()}
    if torch.cuda.is_available():
        found[f"{name}_gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
    sys.stdout.write(f"{json.dumps(found)}\n")


def _largest_mb() -> float:
    """The largest resident memory of this process alone, on Linux; getrusage would count what its parent held."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
