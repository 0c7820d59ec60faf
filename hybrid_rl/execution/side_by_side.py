"""Several jobs side by side: each starts when a slot is free, and none is left behind.

Knows no study: jobs are numbers here. Neither joblib nor concurrent.futures, whose workers are processes of their own
between this one and the job: a signal would not reach the ranks, and they would have no time to save.
"""

import math
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.execution import launch, supervise
from hybrid_rl.execution.supervise import Arrived

_POLL_SECONDS = 0.2
_GRACE_SECONDS = 120.0  # from a signal to SIGKILL, in which a job saves


@dataclass(frozen=True)
class Command:
    """The command of a job, and the file for what it prints."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    output: Path
    held: tuple[int, ...] = ()
    """Open files that the job inherits: a lock lives until the last job that holds it has ended."""
    may_fork: bool = False
    """Whether the job, a `python -m ...`, may start from a process that has its libraries loaded."""


class Process(Protocol):
    """The process of a job, as subprocess has it; it leads a process group of its own."""

    @property
    def pid(self) -> int | None:
        """Its id; None before it begins."""

    @property
    def returncode(self) -> int | None:
        """The exit code, -n where signal n ended it; None before the first `poll` after its end."""

    def poll(self) -> int | None:
        """Looks whether it has ended; returns `returncode`."""

    def send_signal(self, number: int, /) -> None:
        """Sends it a signal, unless it has ended."""


@dataclass(frozen=True)
class _Running:
    """A job that has been started."""

    job: int
    slot: int
    process: Process
    started: float


def start_command(command: Command) -> subprocess.Popen[bytes]:
    """Start the command of a job in a session of its own."""
    with command.output.open("ab") as output:
        return subprocess.Popen(
            command.arguments,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=command.held,
        )


def run_jobs(
    count: int,
    slots: int,
    begin: Callable[[int, int], Command | None],
    ended: Callable[[int, int, float], None],
    ready: Callable[[int], bool] = lambda job: True,
    start: Callable[[Command], Process] = start_command,
    meanwhile: Callable[[], None] = lambda: None,
) -> int | None:
    """Run jobs 0 to `count` - 1 in order, at most `slots` at a time; returns the signal that stopped it, or None.

    `begin(job, slot)` prepares a job, or returns None to leave it out; `ended(job, exit code, seconds)` hears of it,
    128 + n where signal n ended it. A job that is not `ready(job)` lets later ones go first; where none
    runs, one must be ready. `start` makes a process of a job's command; `meanwhile` is called every fifth of a second.
    SIGINT and SIGTERM start no more jobs and end the running ones with SIGTERM; a second one, see
    `supervise.is_repeated`, or two minutes after the first, kills.
    """
    waiting, running, free = deque(range(count)), list[_Running](), set(range(slots))
    arrived: list[Arrived] = []

    def remember(number: int, frame: FrameType | None) -> None:
        arrived.append(Arrived(number, time.monotonic()))

    stops = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, remember) for number in stops}
    deadline = math.inf
    try:
        while running or (waiting and not arrived):
            while free and not arrived and (job := _first(waiting, ready)) is not None:
                waiting.remove(job)
                slot = min(free)
                if (command := begin(job, slot)) is not None:
                    running.append(_Running(job, slot, start(command), time.monotonic()))
                    free.remove(slot)
            assert running or not waiting or arrived, "no job is ready, and none runs"
            if arrived and deadline == math.inf:
                deadline = time.monotonic() + _GRACE_SECONDS
                for one in running:
                    # Not to its group: a job passes it on to whom it concerns.
                    one.process.send_signal(signal.SIGTERM)
            elif time.monotonic() > deadline or supervise.is_repeated(arrived):
                _kill(running)
            meanwhile()
            time.sleep(_POLL_SECONDS)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                free.add(one.slot)
                _kill([one])  # what it may have left of its group
                code = one.process.returncode
                assert code is not None, "it has ended"
                ended(one.job, code if code >= 0 else 128 - code, time.monotonic() - one.started)
    finally:
        _kill(running)
        for number, handler in previous.items():
            signal.signal(number, handler)
    return arrived[0].number if arrived else None


def _first(waiting: Iterable[int], ready: Callable[[int], bool]) -> int | None:
    return next((job for job in waiting if ready(job)), None)


def environment(
    hardware: HardwareSettings, slot: int, slots: int, inherited: Mapping[str, str], cores: int
) -> dict[str, str]:
    """The environment of a job's workers; of several at a time each has its share of cores, or GPUs of its own."""
    shared = dict(inherited)
    if slots > 1 and hardware.device != "cpu":
        first, count = slot * hardware.processes, hardware.processes
        visible = inherited.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else [str(i) for i in range(slots * count)]
        shared["CUDA_VISIBLE_DEVICES"] = ",".join(names[first : first + count])
    if slots > 1:
        shared.setdefault("OMP_NUM_THREADS", str(max(1, cores // (slots * hardware.processes))))
    return launch.worker_environment(hardware, shared)


def _kill(running: Sequence[_Running]) -> None:
    for one in running:
        if one.process.pid is not None:
            supervise.signal_group(one.process.pid, signal.SIGKILL)


def cores() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
