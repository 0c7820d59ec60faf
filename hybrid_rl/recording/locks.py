"""Locks on directories, so that one run, or one study, works in each at a time.

The lock is the system's (flock): it is free again when the last process that holds it has ended, however it ended. The
package filelock gives locks to threads and processes too, but none that children inherit.
"""

import fcntl
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
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise UsedDirectoryError(busy) from error
            time.sleep(0.2)
        yield file.fileno()
