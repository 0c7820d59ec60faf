"""The processes of a run while they live: signals go down, the first failure comes up, and none is left behind.

One command is run once per rank, each in a process group of its own. It is not torchrun, nor its elastic agent, which
`accelerate launch` uses as well: see `launch`.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
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
    arrived: list[Arrived] = []
    noticed: list[int] = []
    of_launcher = _handlers_of_launcher()
    processes: list[subprocess.Popen[bytes]] = []
    told: set[int] = set()

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked = signal.SIGTERM if number in of_launcher else number
        arrived.append(Arrived(asked, time.monotonic()))
        if number in of_launcher:
            noticed.append(number)
        elif is_repeated(arrived):
            for process in processes:
                signal_group(process.pid, signal.SIGKILL)
        tell()

    def tell() -> None:
        for process in processes:
            if process.pid not in told:
                told.add(process.pid)
                # Not to its children: a verifier is needed to end the step.
                process.send_signal(arrived[0].number)

    previous = {
        number: signal.signal(number, pass_on)
        for number in {signal.SIGINT, signal.SIGTERM, *of_launcher}
    }
    try:
        for environment in environments:
            processes.append(
                subprocess.Popen(
                    command, env=dict(environment), start_new_session=True, pass_fds=keep_open
                )
            )
        if arrived:
            tell()  # who was being started when it came
        ended = _until_all_end(processes, arrived, grace_seconds)
    finally:
        for process in processes:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)
    if not noticed:
        return ended
    if all(process.returncode == 0 for process in processes):
        return Ended(0)
    of_launcher[noticed[0]](noticed[0], None)
    return ended


def _handlers_of_launcher() -> dict[int, Callable[[int, FrameType | None], Any]]:
    """The handlers of the signals by which submitit gives notice: SIGUSR2, or what its environment names."""
    named = signal.Signals.__members__.get(f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL')}")
    handlers = {
        number: signal.getsignal(number)
        for number in (signal.SIGUSR1, signal.SIGUSR2, named)
        if number is not None
    }
    return {number: handler for number, handler in handlers.items() if callable(handler)}


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
