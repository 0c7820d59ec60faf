"""Signals and the ranks that they are for. The ranks are small programs, which send the signals themselves."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hybrid_rl.execution import supervise as supervise_
from hybrid_rl.execution.supervise import Ended, supervise
from tests.fakes.places import ROOT

PYTHON = [sys.executable, "-c"]
# Saves on SIGTERM. `{then}` is done in the handler, before that.
RANK = """
import os, signal, sys, time
from pathlib import Path
def save(number, frame):
    signal.signal(number, signal.SIG_IGN)
    {then}
    Path(sys.argv[1]).touch()
    sys.exit({code})

signal.signal(signal.SIGTERM, save)
signal.alarm(20)
{first}
print(flush=True)
while True:
    signal.pause()
"""
TO_PARENT = "os.kill(os.getppid(), signal.{name})"


def _rank(saved: Path, first: str = "pass", then: str = "pass", code: int = 143) -> list[str]:
    program = RANK.format(first=first, then=then, code=code)
    return [sys.executable, "-c", program, str(saved)]


def test_two_signals_at_once_are_one_request_and_time_to_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise_, "REPEAT_SECONDS", 60.0)
    stop = TO_PARENT.format(name="SIGTERM")
    rank = _rank(tmp_path / "saved", first=stop, then=f"{stop}; time.sleep(0.5)")
    assert supervise(rank, [os.environ], 30.0) == Ended(143)
    assert (tmp_path / "saved").exists()


def test_a_second_signal_later_on_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise_, "REPEAT_SECONDS", 0.0)
    stop = TO_PARENT.format(name="SIGTERM")
    rank = _rank(tmp_path / "saved", first=stop, then=f"{stop}; time.sleep(1e6)")
    assert supervise(rank, [os.environ], 600.0) == Ended(143)
    assert not (tmp_path / "saved").exists()


def test_a_signal_reaches_a_rank_that_was_just_being_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(subprocess.Popen):  # type: ignore[type-arg] # not generic where it is a base
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options, stdout=subprocess.PIPE)
            assert self.stdout is not None
            with self.stdout:
                self.stdout.readline()
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    assert supervise(_rank(tmp_path / "saved"), [os.environ], 5.0) == Ended(143)
    assert (tmp_path / "saved").exists()


@pytest.fixture
def notices(tmp_path: Path) -> Iterator[list[bool]]:
    """For each notice given to a handler like submitit's, whether the rank had saved; it exits, as that does."""
    found: list[bool] = []

    def handler(number: int, frame: FrameType | None) -> None:
        found.append((tmp_path / "saved").exists())
        sys.exit(-1)

    before = signal.signal(signal.SIGUSR2, handler)
    yield found
    signal.signal(signal.SIGUSR2, before)


def test_a_launchers_notice_is_handled_once_the_ranks_have_saved(
    tmp_path: Path, notices: list[bool]
) -> None:
    handler = signal.getsignal(signal.SIGUSR2)
    rank = _rank(tmp_path / "saved", first=TO_PARENT.format(name="SIGUSR2"), then="time.sleep(0.2)")
    with pytest.raises(SystemExit):
        supervise(rank, [os.environ, os.environ], 30.0)
    assert notices == [True]
    assert signal.getsignal(signal.SIGUSR2) is handler


def test_a_launchers_notice_does_not_requeue_what_is_done(
    tmp_path: Path, notices: list[bool]
) -> None:
    rank = _rank(tmp_path / "saved", first=TO_PARENT.format(name="SIGUSR2"), code=0)
    assert supervise(rank, [os.environ], 30.0) == Ended(0)
    assert notices == []


def test_the_notice_may_be_another_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[bool] = []
    saved = tmp_path / "saved"
    monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", "WINCH")
    before = signal.signal(signal.SIGWINCH, lambda *_: found.append(saved.exists()))
    rank = _rank(saved, first=TO_PARENT.format(name="SIGWINCH"))
    assert supervise(rank, [os.environ], 30.0) == Ended(143)
    signal.signal(signal.SIGWINCH, before)
    assert found == [True]


def test_the_exit_code_is_handed_on() -> None:
    assert supervise([*PYTHON, "raise SystemExit(7)"], [os.environ], 5.0) == Ended(7)
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert supervise([*PYTHON, killed], [os.environ], 5.0) == Ended(137, killed_rank=0)


def test_a_rank_that_dies_ends_the_others_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise_, "PEER_SECONDS", 0.2)
    script = "import os, signal, time; os.environ['R'] == '1' and os.abort(); time.sleep(60)"
    ranks = [{**os.environ, "R": str(rank)} for rank in (0, 1)]
    assert supervise([*PYTHON, script], ranks, 5.0) == Ended(134, killed_rank=1)


def test_who_ignores_a_signal_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    parent = (
        "import os, sys; from hybrid_rl.execution.supervise import supervise;"
        f"sys.exit(supervise([sys.executable, '-c', {deaf!r}], [os.environ], 0.5).code)"
    )
    process = subprocess.Popen([*PYTHON, parent], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM


# A shell starts background jobs with SIGINT ignored, and children inherit that; a worker sets its own handlers.
FAMILY = """
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print(os.getpid(), child.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_worker_and_leaves_no_orphan(number: int, tmp_path: Path) -> None:
    parent = f"""
        import os, sys
        from hybrid_rl.execution.supervise import supervise
        family = [sys.executable, "-c", {textwrap.dedent(FAMILY)!r}]
        sys.exit(supervise(family, [os.environ], 30.0).code)
    """
    process = subprocess.Popen(
        [*PYTHON, textwrap.dedent(parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number
    assert len(pids) == 2
    assert [pid for pid in pids if _runs(pid)] == []


def test_a_worker_that_ends_leaves_no_child_behind(tmp_path: Path) -> None:
    leaving = (
        "import subprocess, sys; from pathlib import Path;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))"
    )
    assert supervise([*PYTHON, leaving], [os.environ], 5.0) == Ended(0)
    assert not _runs(int((tmp_path / "pid").read_text()))


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie that waits for init."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        done = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        if not done.stdout.strip() or done.stdout.startswith("Z"):
            return False
    return True
