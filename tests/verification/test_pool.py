"""Processes that verify, and what signals and a dead parent do to them. The parent is a process of its own here."""

import os
import signal
import subprocess
import sys

from hybrid_rl.execution import supervise
from tests.fakes.places import ROOT

PARENT = """
import signal
from multiprocessing import forkserver

from hybrid_rl.verification.grader import Grader, Solution
from tests.fakes.reward import settings

noted = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: noted.append(number))
with Grader(settings("exact", verifier="tests.fakes.user_verifiers.{verifier}", timeout_seconds=600)) as grader:
    outcomes = []
    servers = set()
    for text in "abc":
        outcomes += [one.outcome for one in grader.grade([Solution("", text)])]
        forkserver.ensure_running()
        servers.add(forkserver._forkserver._forkserver_pid)
    print(*outcomes, len(servers), sorted(set(noted)) == [signal.SIGINT, signal.SIGTERM])
"""


def _parent(verifier: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PARENT.replace("{verifier}", verifier)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def test_a_signal_to_the_process_group_costs_no_verdict() -> None:
    process = _parent("in_a_storm")
    assert process.communicate(timeout=60)[0] == "correct correct correct 1 True\n"


def test_a_busy_verifier_ends_after_a_parent_that_was_killed() -> None:
    """It holds the other end of the pipe, which is read to its end here."""
    process = _parent("told_and_never")
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGKILL)
    try:
        assert process.communicate(timeout=60)[0] == ""
    finally:
        supervise.signal_group(process.pid, signal.SIGKILL)
