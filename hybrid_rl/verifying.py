"""One verification, as it runs in a worker process that may be killed at any moment. Loads sympy only where needed."""

import importlib
import math
import multiprocessing
import os
import re
import resource
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hybrid_rl import grading, killable, roles
from hybrid_rl.methods.base import Outcome

_WATCH_SECONDS = 2.0
_CPU_SLACK_SECONDS = 30

Verifier = Callable[[str, str], Any]


@dataclass(frozen=True)
class Judged:
    """What a verifier says of one text."""

    outcome: Outcome
    score: float = 0.0
    """Share of the reward for correctness, from 0 to 1."""
    error: str | None = None
    """An exception on the way, or why the process died."""


class VerifierError(Exception):
    """The verifier itself is at fault, not the text: it cannot be imported, or returns what it must not."""


_verifier: Verifier | None = None
_problem: str | None = None
_cpu_seconds = 0


def prepare(name: str, unmarked: bool, timeout_seconds: float, memory_mb: int) -> None:
    """Run once per worker: import the verifier, then set the limits."""
    global _verifier, _problem, _cpu_seconds
    killable.stay()
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


def find(name: str, unmarked: bool) -> Verifier:
    """A built-in verifier by its name, or a function by its dotted path."""
    if name == "exact":
        return grading.exact
    if name == "roles":
        return roles.roles
    if name == "numeric":
        return lambda answer, text: grading.numeric(answer, text, unmarked)
    if name == "symbolic":
        symbolic = importlib.import_module("hybrid_rl.symbolic").symbolic
        return lambda answer, text: symbolic(answer, text, unmarked)
    module, _, function = name.rpartition(".")
    found = getattr(importlib.import_module(module), function)
    if not callable(found):
        raise TypeError(f"{name} is a {type(found).__name__}, not a function")
    verifier: Verifier = found
    return verifier


def ready() -> str | None:
    """Why the verifier cannot be used; None where it can."""
    return _problem


def judge(answer: str, text: str) -> Judged:
    """The verdict of this worker's verifier. Raises VerifierError."""
    _limit_cpu()
    if _verifier is None:
        raise VerifierError(_problem)
    return judge_by(_verifier, answer, text)


def judge_by(verifier: Verifier, answer: str, text: str) -> Judged:
    """The verdict of a verifier; unparseable where it raises. Raises VerifierError for what it must not return."""
    try:
        said = verifier(answer, text)
    except Exception as error:  # noqa: BLE001 - absurd model output may break a verifier; it is counted
        return Judged("unparseable", error=f"{type(error).__name__}: {str(error)[:200]}")
    if isinstance(said, str) and said in ("correct", "wrong", "unparseable"):
        return Judged(said, float(said == "correct"))  # type: ignore[arg-type] # one of the three
    if said is None:
        return Judged("unparseable")
    try:
        score = float(said)
    except (TypeError, ValueError):
        score = math.nan
    if isinstance(said, str) or not 0 <= score <= 1:
        raise VerifierError(
            f"it returned {str(said)[:80]!r}; allowed are True, False, a number from 0 to 1, and None for unparseable"
        )
    return Judged("correct" if score == 1 else "wrong", score)


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
