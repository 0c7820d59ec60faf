"""One verification, as it runs in a worker process that may be killed at any moment. Loads sympy only where needed."""

import math
import multiprocessing
import os
import re
import resource
import sys
import threading
import time

from hybrid_rl.verification import pool
from hybrid_rl.verification.verifier import Judged, Verifier, VerifierError, find, judge_by

_WATCH_SECONDS = 2.0
_CPU_SLACK_SECONDS = 30
_verifier: Verifier | None = None
_problem: str | None = None
_cpu_seconds = 0


def prepare(name: str, unmarked: bool, timeout_seconds: float, memory_mb: int) -> None:
    """Run once per worker: import the verifier, then set the limits."""
    global _verifier, _problem, _cpu_seconds
    pool.stay()
    try:
        _verifier = find(name, unmarked)
    except Exception as error:  # noqa: BLE001 - a module of the user may fail in any way; the parent reports it
        _problem = f"{type(error).__name__}: {error}"
    _cpu_seconds = math.ceil(timeout_seconds) + _CPU_SLACK_SECONDS
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        limit = used + memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()


def ready() -> str | None:
    """Why the verifier cannot be used; None where it can."""
    return _problem


def judge(answer: str, text: str) -> Judged:
    """The verdict of this worker's verifier. Raises VerifierError."""
    _limit_cpu()
    if _verifier is None:
        raise VerifierError(_problem)
    return judge_by(_verifier, answer, text)


def has_format(pattern: str, text: str) -> bool:
    """Whether the pattern is found. It is the user's, so it may take any time."""
    _limit_cpu()
    return re.search(pattern, text) is not None


def _limit_cpu() -> None:
    """Let the kernel end a computation that nobody else does, should the parent be gone."""
    soft = math.ceil(time.process_time()) + _cpu_seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or soft < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _follow_parent(server: int) -> None:
    """End this process soon after the one that waits for its answer, or the server that started it for that one."""
    waiting = multiprocessing.parent_process()
    while os.getppid() == server and waiting is not None and waiting.is_alive():
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
