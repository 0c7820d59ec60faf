"""The processes of a run while they live: signals go down, the first failure comes up, and none is left behind.

One command is run once per rank, each in a process group of its own. It is not torchrun, nor its elastic agent, which
`accelerate launch` uses as well: see `launch`.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

PEER_SECONDS = 10.0
"""Time for the others, once a rank has failed, to see it and to close their files before they are killed."""
REPEAT_SECONDS = 2.0
"""Time in which a second signal is the same request as the first: a wrapper and a scheduler may both send it."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Arrived:
    """A signal, and when it came on the monotonic clock."""

    number: int
    seconds: float


def is_repeated(arrived: Sequence[Arrived]) -> bool:
    """Whether somebody who asked to stop has lost patience, and wants all killed."""
    return len(arrived) > 1 and arrived[-1].seconds - arrived[0].seconds > REPEAT_SECONDS


@dataclass(frozen=True)
class Ended:
    """The end of all ranks, with the exit code that a shell would give: 128 + n for signal n."""

    code: int
    killed_rank: int | None = None
    """The rank that a signal ended which did not come from here."""


def supervise(
    command: Sequence[str],
    environments: Sequence[Mapping[str, str]],
    grace_seconds: float,
    keep_open: Sequence[int] = (),
) -> Ended:
    """Run `command` once per environment, to the end of all ranks.

    SIGINT and SIGTERM are passed on; a second one, see `is_repeated`, or `grace_seconds` after the first, kills.
    `keep_open`: file descriptors that the processes inherit.

    Where a launcher, submitit, handles its notice of a timeout or a preemption, that is SIGTERM to the processes; they
    have the same time to save before its handler is called, which may requeue the job and exit. Not once all is done.
    """
    of_launcher = _handlers_of_launcher()
    signals = _Signals(of_launcher)
    processes = signals.processes
    taken = {signal.SIGINT, signal.SIGTERM, *of_launcher}
    previous = {number: signal.signal(number, signals.pass_on) for number in taken}
    try:
        for env in environments:
            processes.append(
                subprocess.Popen(command, env=env, start_new_session=True, pass_fds=keep_open)
            )
        if signals.arrived:
            signals.tell()  # who was being started when it came
        ended = _until_all_end(processes, signals.arrived, grace_seconds)
    finally:
        for process in processes:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)
    if not signals.noticed:
        return ended
    if all(process.returncode == 0 for process in processes):
        return Ended(0)
    of_launcher[signals.noticed[0]](signals.noticed[0], None)
    return ended


class _Signals:
    """The signals that arrive while processes run; the first is passed on to each process once."""

    def __init__(self, of_launcher: Container[int]) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.arrived: list[Arrived] = []
        self.noticed: list[int] = []
        """Those of `arrived` by which the launcher gives notice."""
        self._of_launcher = of_launcher
        self._told: set[int] = set()

    def pass_on(self, number: int, frame: FrameType | None) -> None:
        """Takes a signal as its handler does; a repeated one kills."""
        noticed = number in self._of_launcher
        self.arrived.append(Arrived(signal.SIGTERM if noticed else number, time.monotonic()))
        if noticed:
            self.noticed.append(number)
        elif is_repeated(self.arrived):
            for process in self.processes:
                signal_group(process.pid, signal.SIGKILL)
        self.tell()

    def tell(self) -> None:
        """Sends the first signal to every process that has not had it."""
        for process in self.processes:
            if process.pid not in self._told:
                self._told.add(process.pid)
                # Not to its children: a verifier is needed to end the step.
                process.send_signal(self.arrived[0].number)


def _handlers_of_launcher() -> dict[int, Callable[[int, FrameType | None], Any]]:
    """The handlers of the signals by which submitit gives notice: SIGUSR2, or what its environment names."""
    name = f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL')}"
    named = signal.Signals.__members__.get(name, signal.SIGUSR2)
    numbers = (signal.SIGUSR1, signal.SIGUSR2, named)
    return {number: found for number in numbers if callable(found := signal.getsignal(number))}


def _until_all_end(
    processes: Sequence["subprocess.Popen[bytes]"], arrived: Sequence[Arrived], grace_seconds: float
) -> Ended:
    failed: dict[int, int] = {}  # rank -> code, before anything was killed here
    deadline = float("inf")
    while any(process.poll() is None for process in processes):
        now = time.monotonic()
        if failed and deadline == float("inf"):
            deadline = now + PEER_SECONDS
        if now > deadline or (arrived and now > arrived[0].seconds + grace_seconds):
            break
        failed |= _failures(processes)
        time.sleep(_POLL_SECONDS)
    failed |= _failures(processes)
    if arrived:
        return Ended(128 + arrived[0].number)
    for rank, code in failed.items():
        if code < 0:
            return Ended(128 - code, rank)
    return Ended(next(iter(failed.values()), 0))


def _failures(processes: Sequence["subprocess.Popen[bytes]"]) -> dict[int, int]:
    return {rank: code for rank, process in enumerate(processes) if (code := process.poll())}


def signal_group(group: int, number: int) -> None:
    """Send signal `number` to a process group, if there still is one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return  # it has ended; macOS says "not permitted" of one that only has zombies
