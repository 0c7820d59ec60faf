"""Starts the worker process(es) of a run and stands by them: signals go down, the exit code comes up.

Hydra runs in the parent only; a worker reads settings.json. One worker is a plain process; several, or DeepSpeed,
which wants a rendezvous, are torchrun's. Knows no torch.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from hybrid_rl import environment
from hybrid_rl.rundir import USER_ERROR, RunDir, write_json, write_text
from hybrid_rl.settings import HardwareSettings, Settings, SettingsError

# Time for a worker to close its log and its children before it is killed.
GRACE_SECONDS = 30.0


def prepare(settings: Settings, command_line: Sequence[str], launch_dir: Path) -> RunDir:
    """Make the run directory, or reopen the one to resume, and write what the workers read into it."""
    run = RunDir(Path(settings.run_dir))
    if settings.resume is None:
        run.create()
    write_text(run.settings, settings.model_dump_json(indent=2) + "\n")
    write_json(run.environment, environment.describe(launch_dir))
    run.add_overrides(command_line)
    run.write_status("running", resumed=settings.resume is not None)
    return run


def start(settings: Settings, run: RunDir) -> int:
    """Run the workers to their end; their exit code (130 after Ctrl-C), with status.json saying how they ended.

    Raises SettingsError with what a worker found that the user can fix: once, however many workers found it.
    """
    code = supervise(
        command(settings.hardware, run.path), worker_environment(settings.hardware, os.environ)
    )
    return settle(run, code)


def settle(run: RunDir, code: int) -> int:
    """The exit code of a run whose workers ended with `code`; see `start`."""
    status = run.read_status()
    if status.get("state") == "running" and code == 0:
        code = 1  # a worker that ends well says so; a silent exit 0 is not an end
    if status.get("state") == "running":
        run.write_status("failed", error=_cause(code), exit_code=code)
        return code
    if status.get("exit_code") == USER_ERROR:
        raise SettingsError(status["error"])
    # torchrun says 1 whatever its workers said.
    return int(status.get("exit_code", code)) if code else 0


def command(hardware: HardwareSettings, run_dir: Path) -> list[str]:
    """What to execute."""
    worker = ["-m", "hybrid_rl.worker", str(run_dir)]
    if hardware.processes == 1 and hardware.deepspeed is None:
        return [sys.executable, *worker]
    torchrun = ["-m", "torch.distributed.run", "--standalone"]
    return [sys.executable, *torchrun, "--nproc-per-node", str(hardware.processes), *worker]


def worker_environment(hardware: HardwareSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    """The workers' environment: quiet libraries, where the user has not said otherwise, and the right device."""
    quiet = {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    found = {**quiet, **inherited}
    # The package may be run from a checkout, without being installed.
    root = str(Path(__file__).parent.parent)
    if "site-packages" not in root:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, [root, inherited.get("PYTHONPATH")]))
    if hardware.device == "cpu":
        found |= {"DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    if hardware.threads is not None:
        found["OMP_NUM_THREADS"] = str(hardware.threads)
    elif hardware.processes > 1:
        share = max(1, (os.cpu_count() or 1) // hardware.processes)
        found.setdefault("OMP_NUM_THREADS", str(share))
    return found


def supervise(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command in a process group of its own, and leave none of the group behind.

    SIGINT and SIGTERM are passed on; a second one, or GRACE_SECONDS after the first, kills. Returns the exit code,
    128 + n for a process that signal n ended.
    """
    process = subprocess.Popen(command, env=dict(environment), start_new_session=True)
    signals: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        signal_group(process.pid, number if not signals else signal.SIGKILL)
        signals.append(number)

    previous = {
        number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        while not signals and process.poll() is None:
            try:
                process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                continue  # look whether a signal came
        try:
            process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            signal_group(process.pid, signal.SIGKILL)
        code = process.wait()
    finally:
        signal_group(process.pid, signal.SIGKILL)
        for number, handler in previous.items():
            signal.signal(number, handler)
    if signals:
        return 128 + signals[0]
    return code if code >= 0 else 128 - code


def signal_group(group: int, number: int) -> None:
    """Signal a process group, if any of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return  # the group has ended; macOS says "not permitted" of one that only has zombies


def _cause(code: int) -> str:
    """In words, for a worker that could not say it itself."""
    if code == 128 + signal.SIGKILL:
        return "killed (SIGKILL); often the system is out of memory: lower hardware.micro_batch"
    if code > 128:
        return f"ended by {signal.Signals(code - 128).name}"
    return f"a worker ended with exit code {code}, without a word"
