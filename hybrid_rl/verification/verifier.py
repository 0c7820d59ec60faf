"""One verification, as it runs in a worker process that may be killed at any moment. Loads sympy only where needed."""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hybrid_rl.types import Outcome
from hybrid_rl.verification import exact, numeric, roles

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


def find(name: str, unmarked: bool) -> Verifier:
    """A built-in verifier by its name, or a function by its dotted path."""
    if name == "exact":
        return exact.exact
    if name == "roles":
        return roles.roles
    if name == "numeric":
        return lambda answer, text: numeric.numeric(answer, text, unmarked)
    if name == "symbolic":
        symbolic = importlib.import_module("hybrid_rl.verification.symbolic").symbolic
        return lambda answer, text: symbolic(answer, text, unmarked)
    module, _, function = name.rpartition(".")
    found = getattr(importlib.import_module(module), function)
    if not callable(found):
        raise TypeError(f"{name} is a {type(found).__name__}, not a function")
    verifier: Verifier = found
    return verifier


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
