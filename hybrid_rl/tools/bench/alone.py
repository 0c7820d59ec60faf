"""A process of its own that trains two steps with one trainer and prints its largest memory, as a line of JSON.

python -m hybrid_rl.tools.bench.alone ours|plain HIDDENxLAYERS DIRECTORY OVERRIDES... (- for the configured size)
"""

import json
import sys
from pathlib import Path

import torch

from hybrid_rl.config import composing
from hybrid_rl.recording import quiet
from hybrid_rl.tools.bench import relay
from hybrid_rl.tools.bench.workload import Workload, random_model
from hybrid_rl.verification.grader import Grader


def main() -> None:
    """Trains, then prints megabytes of resident memory and of the GPU."""
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
