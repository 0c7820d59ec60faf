"""Commands of the check of a GPU end in time, and leave no process behind."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from hybrid_rl.tools.gpu_check import started

# A child in a session of its own, as a worker is, whose number is written where the test finds it.
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module `family` that the commands of a test can run."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    (tmp_path / "family.py").write_text(FAMILY)
    return tmp_path


def test_a_command_tells_its_exit_code_and_its_last_lines(module: Path) -> None:
    (module / "says.py").write_text("import sys; print('one\\ntwo\\nthree'); sys.exit(3)")
    ended = started.run(["says"], module / "log.txt", 60)
    assert (ended.code, ended.said) == (3, "two / three")


@pytest.mark.parametrize("by_time", [True, False])
def test_all_processes_of_a_command_are_killed(module: Path, by_time: bool) -> None:
    log = module / "log.txt"

    def has_begun() -> bool:
        return bool(log.read_text().strip())

    limit = 2.0 if by_time else 60.0
    began = time.monotonic()
    ended = started.run(["family"], log, limit, until=(lambda: False) if by_time else has_begun)
    assert ended.code is None
    assert time.monotonic() - began < 30
    if by_time and not has_begun():
        pytest.skip("the machine is too slow for a start in two seconds")
    assert not psutil.pid_exists(int(log.read_text()))


def test_a_server_lives_as_long_as_the_block(module: Path) -> None:
    log = module / "log.txt"
    # The command tells its own environment: the one that Linux tells from outside is empty until the program is loaded.
    said = "import os, time; print(os.environ['ADDED'], flush=True); time.sleep(60)"
    with started.beside([sys.executable, "-c", said], log, {"ADDED": "one"}) as server:
        until = time.monotonic() + 30
        while not log.read_text() and time.monotonic() < until:
            time.sleep(0.02)
        assert log.read_text() == "one\n"
        assert server.poll() is None
    assert not psutil.pid_exists(server.pid)
