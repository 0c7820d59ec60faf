"""Locks: a directory is free again when the last process that holds it has ended."""

import subprocess
from pathlib import Path

import pytest

from hybrid_rl.errors import UsedDirectoryError
from hybrid_rl.recording import locks


def test_a_held_directory_is_refused_until_its_last_process_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with locks.held(lock, "busy") as descriptor:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[descriptor])
    with (
        pytest.raises(UsedDirectoryError, match="still busy"),
        locks.held(lock, "still busy"),
    ):
        pass
    child.kill()
    child.wait()
    with locks.held(lock, "busy"):
        pass
