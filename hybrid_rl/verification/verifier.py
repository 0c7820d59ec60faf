"""A verifier decides whether a solution reaches the gold answer, and knows how solutions state answers.

This file says what a verifier is and finds one: a built-in one by its name, a user's own by its dotted path. It knows
none in particular; each has a file of its own, which is loaded when it is asked for.
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, Protocol, cast

from hybrid_rl.config.reward import BUILT_IN_VERIFIERS, RewardSettings
from hybrid_rl.types import Json, Outcome
from hybrid_rl.verification import answers, functions, raised
from hybrid_rl.verification.functions import Asks
from hybrid_rl.verification.pool import Lost

Said = Literal["correct", "wrong", "unparseable"] | float | None
"""What a verifier may say of a solution: one of three words; True, False or a share of the reward from 0 to 1, of which
only 1 is correct; or None, which is the same as "unparseable"."""
_ALLOWED = "a number from 0 to 1, and None for unparseable"
_MEMBERS = ("judge", "answer_start", "vote", "stating")


class Verifier(Protocol):
    """All that the package asks of a verifier. A class that derives from this one needs to define only `judge`.

    Every member gets whole texts. One that raises costs the one text at hand, not the run.
    """

    in_process: bool = False
    """Whether all members are cheap on any text, so that the run's own process may call them. False: they are called in
    processes that are killed when they take too much time or memory."""

    def judge(self, answer: str, text: str) -> Said:
        """Says whether the solution `text` reaches the gold answer.

        Further parameters are columns of the row, or `prompt`, as of a plain function (`functions.py`).
        """

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
    """A user's function, in any of the forms of `functions.py`, as a verifier."""

    def __init__(self, function: Callable[..., Any], as_messages: bool = False) -> None:
        """`as_messages`: see `reward.as_messages`."""
        self.function = function
        self.as_messages = as_messages

    def judge(self, answer: str, text: str) -> Said:
        return cast(Said, functions.of_one(self.function, answer, text, {}))


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


@dataclass(frozen=True)
class Named:
    """A verifier, or another function that scores, where the settings name it."""

    setting: str
    """Such as reward.verifier, or reward.terms.brief.function."""
    settings: RewardSettings
    """The settings of the reward whose `verifier` is this one."""
    any_number: bool = False
    """Whether its score may be any number; else it is one from 0 to 1."""


def named(settings: RewardSettings) -> list[Named]:
    """All that are named; the first is the verifier, which alone says what is right, and the others are of terms."""
    found = [Named("reward.verifier", settings)]
    for name, term in settings.terms.items():
        for key, path in (("verifier", term.verifier), ("function", term.function)):
            if path is not None:
                own = settings.model_copy(update={"verifier": path})
                found.append(Named(f"reward.terms.{name}.{key}", own, key == "function"))
    return found


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
    return built_in(settings) or _own(settings.verifier, settings.as_messages)


def asks_of(verifier: Verifier) -> Asks:
    """What a verifier wants beside the gold answer and the solution. Raises TypeError where it cannot be called."""
    return Asks() if isinstance(verifier, BuiltIn) else functions.asks_of(_judging(verifier))


def _own(path: str, as_messages: bool) -> Verifier:
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
    return PlainFunction(found, as_messages)


def compared(stated: object, gold: object) -> Said:
    """Says whether what a text states equals the gold answer; unparseable where it states nothing."""
    if stated is None:
        return "unparseable"
    return "correct" if stated == gold else "wrong"


def judge_by(
    verifier: Verifier,
    answer: str,
    text: str,
    columns: Mapping[str, Json] | None = None,
    any_number: bool = False,
) -> Judged:
    """The judgement of a verifier; unparseable where it raises. Raises VerifierError for what it must not return.

    `any_number`: as of `Named`.
    """
    if isinstance(verifier, BuiltIn):
        return _judged(_tried(verifier.judge, answer, text), any_number)
    said = _tried(functions.of_one, _judging(verifier), answer, text, columns or {})
    return _judged(said, any_number)


def judge_many_by(
    verifier: Verifier,
    answer: str,
    texts: Sequence[str],
    columns: Mapping[str, Json],
    any_number: bool = False,
) -> list[Judged]:
    """The judgements of a function of TRL's form. Raises VerifierError for what it must not return.

    Where it raises for several texts at once, it is asked for one at a time, so that an absurd one costs only itself.
    """
    as_messages = isinstance(verifier, PlainFunction) and verifier.as_messages
    said = _tried(functions.of_many, _judging(verifier), answer, texts, columns, as_messages)
    if not isinstance(said, Lost):
        return [_judged(one, any_number) for one in said]
    if len(texts) == 1:
        return [_judged(said, any_number)]
    alone = partial(judge_many_by, columns=columns, any_number=any_number)
    return [one for text in texts for one in alone(verifier, answer, [text])]


def ask_of(verifier: Verifier, member: str, texts: Sequence[str]) -> Any:
    """What a member of a verifier returns for these texts; Lost, with the reason, where it raises."""
    return _tried(getattr(verifier, member), *texts)


def _judging(verifier: Verifier) -> Callable[..., Any]:
    """The function of the user's that judges."""
    return verifier.function if isinstance(verifier, PlainFunction) else verifier.judge


def _tried(function: Callable[..., Any], *given: Any) -> Any:
    try:
        return function(*given)
    except Exception as error:  # noqa: BLE001 - absurd text may break a verifier
        return Lost(raised.told(error))


def _judged(said: Any, any_number: bool) -> Judged:
    """The judgement that a verifier's word is. Raises VerifierError for what it must not say."""
    if said is None or isinstance(said, Lost):
        return Judged("unparseable", error=said.reason if said else None)
    if isinstance(said, str) and said in _WORDS:
        return _WORDS[said]
    try:
        score = float(said)
    except (TypeError, ValueError):
        score = math.nan
    if isinstance(said, str) or not (math.isfinite(score) if any_number else 0 <= score <= 1):
        allowed = "a number, and None for 0" if any_number else _ALLOWED
        raise VerifierError(f"it returned {str(said)[:80]!r}; allowed are True, False, {allowed}")
    return Judged("correct" if score == 1 else "wrong", score)
