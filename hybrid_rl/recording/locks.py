"""Locks on directories, so that one run, or one study, works in each at a time.

The lock is the system's (flock): it is free again when the last process that holds it has ended, however it ended. The
package filelock gives locks to threads and processes too, but none that children inherit. `owned` is the other kind
(fcntl): no child inherits it, so it tells whether the process that started everything is alive. A process id would not:
another process may have it by now. A lock is never opened through a link, behind which another file would be emptied.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybrid_rl.errors import UsedDirectoryError


@contextmanager
def held(lock: Path, busy: str, patience_seconds: float = 0.0) -> Iterator[int]:
    """Hold the file `lock`; yields its descriptor, for children to inherit.

    Raises UsedDirectoryError with the message `busy` where others still hold it after `patience_seconds`, the time for
    processes of an earlier start to end.
    """
    deadline = time.monotonic() + patience_seconds
    with _opened(lock) as descriptor:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise UsedDirectoryError(busy) from error
            time.sleep(0.2)
        yield descriptor


@contextmanager
def owned(lock: Path, busy: str) -> Iterator[None]:
    """Hold the file `lock` for this process alone; raises UsedDirectoryError with the message `busy` where it is held.

    Meanwhile this process must not open the file anew: the system frees such a lock at the first close.
    """
    with _opened(lock) as descriptor:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsedDirectoryError(busy) from error
        yield


def is_owned(lock: Path) -> bool:
    """Whether another process holds the lock of `owned`."""
    if lock.is_symlink() or not lock.is_file():
        return False
    with _opened(lock) as descriptor:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


@contextmanager
def _opened(lock: Path) -> Iterator[int]:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if lock.is_symlink():
            raise UsedDirectoryError(
                f"{lock}: is a link, and no lock of a run; remove it"
            ) from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)
