"""A worker process of the grader: it holds one verifier, and may be killed at any moment.

Loads sympy only where the verifier needs it. Knows nothing of the grader; the pool calls the functions below.
"""

import importlib
import json
import math
import multiprocessing
import os
import re
import resource
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hybrid_rl.config.reward import RewardSettings
from hybrid_rl.verification import pool, verifier
from hybrid_rl.verification.functions import Asks
from hybrid_rl.verification.pool import Lost
from hybrid_rl.verification.verifier import Judged, Verifier, VerifierError

_WATCH_SECONDS = 2.0
_CPU_SLACK_SECONDS = 30
_verifier: Verifier | None = None
_asks = Asks()
_problem = ""
_cpu_seconds = 0


def prepare(settings: RewardSettings) -> None:
    """Prepares a new worker: imports the verifier, then sets the limits, so that imports do not count."""
    global _verifier, _asks, _problem, _cpu_seconds
    pool.stay()
    try:
        found = verifier.find(settings)
        for module in found.loads if isinstance(found, verifier.BuiltIn) else ():
            importlib.import_module(module)
        _asks = verifier.asks_of(found)
        _verifier = found
    except Exception as error:  # noqa: BLE001 - a module of the user may fail in any way; the parent reports it
        _problem = f"{type(error).__name__}: {error}"
    _cpu_seconds = math.ceil(settings.timeout_seconds) + _CPU_SLACK_SECONDS
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        limit = used + settings.memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()


@dataclass(frozen=True)
class Ready:
    """What the parent must know of a verifier that can be used."""

    here: bool
    """Whether it may also be called in the parent process."""
    asks: Asks


def ready() -> Ready | Lost:
    """What the parent must know of the verifier; Lost, with the reason, where it cannot be used."""
    if _verifier is None:
        return Lost(_problem)
    here = bool(getattr(_verifier, "in_process", False)) and not _asks.many
    return Ready(here, _asks)


def judge(answer: str, texts: Sequence[str], row: str) -> list[Judged]:
    """The judgements of this worker's verifier on solutions of one question.

    `row`: the columns that it asks for, as JSON text. Raises VerifierError.
    """
    _limit_cpu()
    if _verifier is None:
        raise VerifierError(_problem)
    columns = json.loads(row)
    if _asks.many:
        return verifier.judge_many_by(_verifier, answer, texts, columns)
    return [verifier.judge_by(_verifier, answer, text, columns) for text in texts]


def ask(member: str, *texts: str) -> Any:
    """What another member of this worker's verifier returns; Lost, with the reason, where it raises."""
    _limit_cpu()
    return Lost(_problem) if _verifier is None else verifier.ask_of(_verifier, member, texts)


def has_format(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text. It is the user's, so it may take any time."""
    _limit_cpu()
    return re.search(pattern, text) is not None


def _limit_cpu() -> None:
    """Lets the kernel end a computation that nobody else would end, should the parent be gone."""
    soft = math.ceil(time.process_time()) + _cpu_seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or soft < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _follow_parent(server: int) -> None:
    """Ends this process soon after the one that waits for its answer, or the server that started it for that one."""
    waiting = multiprocessing.parent_process()
    while os.getppid() == server and waiting is not None and waiting.is_alive():
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
