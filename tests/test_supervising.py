"""Signals and the ranks that they are for. The ranks are small programs, which send the signals themselves."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hybrid_rl import supervising
from hybrid_rl.supervising import Ended, supervise

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
    monkeypatch.setattr(supervising, "REPEAT_SECONDS", 60.0)
    stop = TO_PARENT.format(name="SIGTERM")
    rank = _rank(tmp_path / "saved", first=stop, then=f"{stop}; time.sleep(0.5)")
    assert supervise(rank, [os.environ], 30.0) == Ended(143)
    assert (tmp_path / "saved").exists()


def test_a_second_signal_later_on_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "REPEAT_SECONDS", 0.0)
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
