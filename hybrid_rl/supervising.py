"""Stands by the processes of a run: signals go down, the first failure comes up, and none is left behind.

One command, once per rank, each in a process group of its own. torchrun does the same, but kills the ranks 30 seconds
after a signal, whatever they are saving, ends with code 1 whatever they said, and loads torch once more.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

PEER_SECONDS = 10.0
"""Once a rank has failed: time for the others to see it and to close their files, before they are killed."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Ended:
    """How the ranks ended, as a shell would say it: 128 + n for signal n."""

    code: int
    killed_rank: int | None = None
    """The rank that a signal ended which did not come from here."""


def supervise(
    command: Sequence[str],
    environments: Sequence[Mapping[str, str]],
    grace_seconds: float,
    keep_open: Sequence[int] = (),
) -> Ended:
    """Run `command` once per environment, to the end of all.

    SIGINT and SIGTERM are passed on; a second one, or `grace_seconds` after the first, kills. `keep_open`: file
    descriptors that the processes inherit.
    """
    signals: list[int] = []
    processes: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            if signals:
                signal_group(process.pid, signal.SIGKILL)
            elif process.poll() is None:
                process.send_signal(
                    number
                )  # not to its children: a verifier is needed to end the step
        signals.append(number)

    previous = {
        number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        for environment in environments:
            processes.append(
                subprocess.Popen(
                    command, env=dict(environment), start_new_session=True, pass_fds=keep_open
                )
            )
        return _until_all_end(processes, signals, grace_seconds)
    finally:
        for process in processes:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _until_all_end(
    processes: Sequence["subprocess.Popen[bytes]"], signals: Sequence[int], grace_seconds: float
) -> Ended:
    failed: dict[int, int] = {}  # rank -> code, before anything was killed here
    signalled = deadline = float("inf")
    while any(process.poll() is None for process in processes):
        now = time.monotonic()
        if signals and signalled == float("inf"):
            signalled = now + grace_seconds
        if failed and deadline == float("inf"):
            deadline = now + PEER_SECONDS
        if now > min(signalled, deadline):
            break
        failed |= _failures(processes)
        time.sleep(_POLL_SECONDS)
    failed |= _failures(processes)
    if signals:
        return Ended(128 + signals[0])
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
