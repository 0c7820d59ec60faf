"""What a rank does on SIGTERM and SIGINT: while it trains, it ends its optimizer step and saves; else it stops at once.

Signals belong to the process, hence the variables of this module. Knows no torch; `training.save_and_stop` makes all
ranks stop after the same step.
"""

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_requested: int | None = None  # the signal that asked to stop
_deferred = False  # whether a request waits until somebody asks for it
_raised = False  # whether a request was met by StoppedError
_grace_seconds: int | None = None


class StoppedError(BaseException):
    """A signal that ends the process: the stack unwinds, so that files are closed; no handler of errors catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number


def cause_of(error: BaseException) -> StoppedError | None:
    """The stop behind an error, if there is one: C code in which it arrives may turn it into another, or lose it."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, StoppedError):
        found = found.__cause__ or found.__context__
    return StoppedError(_requested) if found is None and _raised and _requested else found


def catch_signals() -> None:
    """Take SIGTERM and SIGINT as requests from now on, once: Slurm and a launcher may both send one."""
    global _requested, _deferred, _raised
    _requested, _deferred, _raised = None, False, False
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _request)


def limit(seconds: float) -> None:
    """Let this process live so long at most after a request, even without a launcher to kill it."""
    global _grace_seconds
    _grace_seconds = math.ceil(seconds)


def requested() -> int | None:
    """The signal that asked to stop, if one did."""
    return _requested


def request(number: int) -> None:
    """Note that another rank was asked to stop by signal `number`."""
    global _requested
    _requested = _requested or number


@contextmanager
def deferred() -> Iterator[None]:
    """Let a request wait inside the block for somebody to ask `requested`; it is met at the end of the block."""
    global _deferred
    _meet()  # it may have arrived where an error is only printed: in a destructor, in a callback from C
    _deferred = True
    try:
        yield
    finally:
        _deferred = False
    _meet()


def _meet() -> None:
    if _requested is not None:
        raise StoppedError(_requested)


def _request(number: int, frame: FrameType | None) -> None:
    global _raised
    if _requested is not None:
        return
    request(number)
    if _grace_seconds is not None:
        signal.alarm(_grace_seconds)  # ends the process, also where Python does not get to run
    if not _deferred:
        _raised = True
        raise StoppedError(number)
