"""Locks on directories: one run, or one study, at a time. The system frees a lock when its last holder ends."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybrid_rl.errors import SettingsError, UsedDirectoryError


@contextmanager
def held(lock: Path, patience_seconds: float) -> Iterator[int]:
    """Hold `lock`, waiting while processes of an earlier start are still ending; yields it for children to inherit.

    The system frees it with the last of them, however they end. Raises UsedDirectoryError after `patience_seconds`.
    """
    deadline = time.monotonic() + patience_seconds
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise UsedDirectoryError(
                        f"run_dir = {lock.parent}: processes of an earlier start are still at work; end them first"
                    ) from error
            time.sleep(0.2)
        yield file.fileno()


STUDY_LOCK = ".lock"


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    """One study at a time in a directory, and none while a job of a killed one is still ending.

    Yields the lock, for jobs to inherit; the system frees it however they end.
    """
    if directory.exists() and not directory.is_dir():
        raise UsedDirectoryError(f"run_dir = {directory}: is a file; give the path of a directory")
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / STUDY_LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                f"run_dir = {directory}: a study is running there, or its last jobs are ending; wait, or stop it first"
            ) from error
        yield file.fileno()
