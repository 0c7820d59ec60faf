"""Runs the workers of several jobs side by side, and leaves none behind. Knows no study: jobs are numbers here."""

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.execution import launch, supervise
from hybrid_rl.execution.supervise import Arrived

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Command:
    """What to execute for one job, and where what it prints goes."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    output: Path
    held: tuple[int, ...] = ()
    """Open files that it inherits: a lock lives until the last job that holds it has ended."""


@dataclass(frozen=True)
class _Running:
    job: int
    slot: int
    process: subprocess.Popen[bytes]
    started: float


def run_jobs(
    count: int,
    slots: int,
    begin: Callable[[int, int], Command],
    ended: Callable[[int, int, float], None],
    grace_seconds: float = 120.0,
) -> int | None:
    """Run jobs 0 to `count` - 1, at most `slots` at a time, in order; the signal that stopped it, None at the end.

    `begin(job, slot)` prepares a job; `ended(job, exit code, seconds)` hears of it, 128 + n where signal n ended it.
    SIGINT and SIGTERM start no more jobs and end the running ones with SIGTERM; a second one, see
    `supervising.is_repeated`, or `grace_seconds` after the first, kills.
    """
    waiting, running, free = deque(range(count)), list[_Running](), set(range(slots))
    arrived: list[Arrived] = []

    def remember(number: int, frame: FrameType | None) -> None:
        arrived.append(Arrived(number, time.monotonic()))

    previous = {
        number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)
    }
    deadline: float | None = None
    try:
        while running or (waiting and not arrived):
            while waiting and free and not arrived:
                job, slot = waiting.popleft(), min(free)
                running.append(_start(job, slot, begin(job, slot)))
                free.remove(slot)
            if arrived and deadline is None:
                deadline = time.monotonic() + grace_seconds
                for one in running:
                    # Not to its group: a job passes it on to whom it concerns.
                    one.process.send_signal(signal.SIGTERM)
            elif deadline is not None and (
                time.monotonic() > deadline or supervise.is_repeated(arrived)
            ):
                _kill(running)
            time.sleep(_POLL_SECONDS)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                free.add(one.slot)
                _kill([one])  # what it may have left of its group
                code = one.process.returncode
                ended(one.job, code if code >= 0 else 128 - code, time.monotonic() - one.started)
    finally:
        _kill(running)
        for number, handler in previous.items():
            signal.signal(number, handler)
    return arrived[0].number if arrived else None


def environment(
    hardware: HardwareSettings, slot: int, slots: int, inherited: Mapping[str, str], cores: int
) -> dict[str, str]:
    """That of a job's workers: where several run at a time, each has its share of the cores, or GPUs of its own."""
    shared = dict(inherited)
    if slots > 1 and hardware.device != "cpu":
        first, count = slot * hardware.processes, hardware.processes
        visible = inherited.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else [str(i) for i in range(slots * count)]
        shared["CUDA_VISIBLE_DEVICES"] = ",".join(names[first : first + count])
    if slots > 1:
        shared.setdefault("OMP_NUM_THREADS", str(max(1, cores // (slots * hardware.processes))))
    return launch.worker_environment(hardware, shared)


def _start(job: int, slot: int, command: Command) -> _Running:
    with command.output.open("ab") as output:
        process = subprocess.Popen(
            command.arguments,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=command.held,
        )
    return _Running(job, slot, process, time.monotonic())


def _kill(running: Sequence[_Running]) -> None:
    for one in running:
        supervise.signal_group(one.process.pid, signal.SIGKILL)


def cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
