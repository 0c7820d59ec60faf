"""A worker process of the grader: it holds the verifiers of the settings, and may be killed at any moment.

Loads sympy only where a verifier needs it. Knows nothing of the grader; the pool calls the functions below.
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
from hybrid_rl.verification import pool, raised, verifier
from hybrid_rl.verification.functions import Asks
from hybrid_rl.verification.pool import Lost
from hybrid_rl.verification.verifier import Judged, Named, Verifier, VerifierError

_WATCH_SECONDS = 2.0
_CPU_SLACK_SECONDS = 30
_cpu_seconds = 0


@dataclass(frozen=True)
class Ready:
    """What the parent must know of a verifier that can be used."""

    here: bool
    """Whether it may also be called in the parent process."""
    asks: Asks


@dataclass(frozen=True)
class _Held:
    """A verifier of this process."""

    named: Named
    verifier: Verifier
    asks: Asks


_held: dict[str, _Held | Lost] = {}
"""Each verifier by the setting that names it; Lost, with the reason, where it cannot be used."""


def prepare(settings: RewardSettings) -> None:
    """Prepares a new worker: imports the verifiers, then sets the limits, so that imports do not count."""
    global _cpu_seconds
    pool.stay()
    for named in verifier.named(settings):
        _held[named.setting] = _hold(named)
    _cpu_seconds = math.ceil(settings.timeout_seconds) + _CPU_SLACK_SECONDS
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        limit = used + settings.memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()


def ready(setting: str) -> Ready | Lost:
    """What the parent must know of a verifier; Lost, with the reason, where it cannot be used."""
    held = _held[setting]
    if isinstance(held, Lost):
        return held
    here = bool(getattr(held.verifier, "in_process", False)) and not held.asks.many
    return Ready(here, held.asks)


def judge(setting: str, answer: str, texts: Sequence[str], row: str) -> list[Judged]:
    """The judgements of a verifier of this worker on solutions of one question.

    `row`: the columns that it asks for, as JSON text. Raises VerifierError.
    """
    _limit_cpu()
    held = _held[setting]
    if isinstance(held, Lost):
        raise VerifierError(held.reason)
    columns, any_number = json.loads(row), held.named.any_number
    if held.asks.many:
        return verifier.judge_many_by(held.verifier, answer, texts, columns, any_number)
    return [verifier.judge_by(held.verifier, answer, one, columns, any_number) for one in texts]


def ask(setting: str, member: str, *texts: str) -> Any:
    """What another member of a verifier of this worker returns; Lost, with the reason, where it raises."""
    _limit_cpu()
    held = _held[setting]
    return held if isinstance(held, Lost) else verifier.ask_of(held.verifier, member, texts)


def has_format(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text. It is the user's, so it may take any time."""
    _limit_cpu()
    return re.search(pattern, text) is not None


def _hold(named: Named) -> _Held | Lost:
    try:
        found = verifier.find(named.settings)
        for module in found.loads if isinstance(found, verifier.BuiltIn) else ():
            importlib.import_module(module)
        return _Held(named, found, verifier.asks_of(found))
    except Exception as error:  # noqa: BLE001 - a module of the user may fail in any way; the parent reports it
        return Lost(raised.told(error))


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
