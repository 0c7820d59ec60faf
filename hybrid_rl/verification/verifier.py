"""A verifier decides whether a solution reaches the gold answer, and knows how solutions state answers.

This file says what a verifier is and finds one: a built-in one by its name, a user's own by its dotted path. It knows
none in particular; each has a file of its own, which is loaded when it is asked for.
"""

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, cast

from hybrid_rl.config.reward import BUILT_IN_VERIFIERS, RewardSettings
from hybrid_rl.types import Outcome
from hybrid_rl.verification import answers
from hybrid_rl.verification.pool import Lost

Said = Literal["correct", "wrong", "unparseable"] | float | None
"""What a verifier may say of a solution: one of three words; True, False or a share of the reward from 0 to 1, of which
only 1 is correct; or None, which is the same as "unparseable"."""
_MEMBERS = ("judge", "answer_start", "vote", "stating")


class Verifier(Protocol):
    """All that the package asks of a verifier. A class that derives from this one needs to define only `judge`.

    Every member gets whole texts. One that raises costs the one text at hand, not the run.
    """

    in_process: bool = False
    """Whether all members are cheap on any text, so that the run's own process may call them. False: they are called in
    processes that are killed when they take too much time or memory."""

    def judge(self, answer: str, text: str) -> Said:
        """Says whether the solution `text` reaches the gold answer."""

    def answer_start(self, text: str) -> int:
        """The position, in characters, at which the statement of the final answer begins; len(text) without one.

        A hint for the policy must stop before it.
        """
        return answers.answer_start(text)

    def vote(self, answer: str, text: str) -> str:
        """What a wrong solution counts for in maj@k: equal for solutions that state equal answers."""
        return answers.without_blanks(text[self.answer_start(text) :])

    def stating(self, answer: str) -> str | None:
        """A solution that states `answer` and nothing else; a gold answer whose solution is not correct is refused.

        None: this verifier cannot tell, and every gold answer that is not empty is accepted.
        """
        return None


class BuiltIn(Verifier):
    """A verifier of this package: it reads what follows `reward.answer_after`, and of that a bounded part."""

    loads: ClassVar[Sequence[str]] = ()
    """Modules that `judge` imports. A process loads them before its first clock and its memory limit start."""

    def __init__(self, settings: RewardSettings) -> None:
        self._after = settings.answer_after
        self._unmarked = settings.unmarked

    def _part(self, text: str) -> str:
        return answers.answer_part(text, self._after)


class PlainFunction(Verifier):
    """A user's function `verify(answer, text)` as a verifier."""

    def __init__(self, function: Callable[[str, str], Said]) -> None:
        self._function = function

    def judge(self, answer: str, text: str) -> Said:
        return self._function(answer, text)


@dataclass(frozen=True)
class Judged:
    """The judgement of one text, with what went wrong on the way."""

    outcome: Outcome
    score: float = 0.0
    """The share of the reward for correctness, from 0 to 1."""
    error: str | None = None
    """An exception on the way, or why the process died."""


_WORDS = {
    one.outcome: one for one in (Judged("correct", 1.0), Judged("wrong"), Judged("unparseable"))
}


class VerifierError(Exception):
    """The verifier itself is at fault, not the text: it cannot be imported, or returns what it must not."""


def built_in(settings: RewardSettings) -> BuiltIn | None:
    """The built-in verifier that the settings name: class Exact of exact.py for "exact". None for a user's own."""
    name = settings.verifier
    if name not in BUILT_IN_VERIFIERS:
        return None
    module: Any = importlib.import_module(f"hybrid_rl.verification.{name}")
    kind = "".join(word.capitalize() for word in name.split("_"))
    return cast(BuiltIn, getattr(module, kind)(settings))


def find(settings: RewardSettings) -> Verifier:
    """The verifier that the settings name. Raises whatever the import of a user's own raises, or TypeError."""
    return built_in(settings) or _own(settings.verifier)


def _own(path: str) -> Verifier:
    module, _, attribute = path.rpartition(".")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, type):
        found = found()
    missing = [member for member in _MEMBERS if not callable(getattr(found, member, None))]
    if not missing:
        return cast(Verifier, found)
    if "judge" not in missing:
        raise TypeError(f"{path} has no method {' and no method '.join(missing)}")
    if not callable(found):
        raise TypeError(f"{path} is a {type(found).__name__}, neither a function nor a verifier")
    return PlainFunction(found)


def compared(stated: object, gold: object) -> Said:
    """Says whether what a text states equals the gold answer; unparseable where it states nothing."""
    if stated is None:
        return "unparseable"
    return "correct" if stated == gold else "wrong"


def judge_by(verifier: Verifier, answer: str, text: str) -> Judged:
    """The judgement of a verifier; unparseable where it raises. Raises VerifierError for what it must not return."""
    said = ask_of(verifier, "judge", (answer, text))
    if said is None or isinstance(said, Lost):
        return Judged("unparseable", error=said.reason if said else None)
    if isinstance(said, str) and said in _WORDS:
        return _WORDS[said]
    try:
        score = float(said)
    except (TypeError, ValueError):
        score = math.nan
    if isinstance(said, str) or not 0 <= score <= 1:
        raise VerifierError(
            f"it returned {str(said)[:80]!r}; allowed are True, False, a number from 0 to 1, and None for unparseable"
        )
    return Judged("correct" if score == 1 else "wrong", score)


def ask_of(verifier: Verifier, member: str, texts: Sequence[str]) -> Any:
    """What a member of a verifier returns for these texts; Lost, with the reason, where it raises."""
    try:
        return getattr(verifier, member)(*texts)
    except Exception as error:  # noqa: BLE001 - absurd text may break a verifier
        return Lost(f"{type(error).__name__}: {str(error)[:200]}")
