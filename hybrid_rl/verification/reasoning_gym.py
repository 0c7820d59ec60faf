"""Verifier `reasoning_gym`: the library's own scorer of a task decides, for answers that need not be unique.

A scorer compares with a whole entry of its data set, the puzzle included, so the gold answer is such an entry as JSON
text; `data/generators/gym.py` writes it. This file is light; the library is loaded where answers are scored.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hybrid_rl.types import Json
from hybrid_rl.verification import answers
from hybrid_rl.verification.verifier import BuiltIn, Said

_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_TUPLE = "()"  # the key under which a tuple is kept, which JSON would turn into a list


@dataclass(frozen=True)
class Gold:
    """An entry of a data set of the library, and what its scorer is made of."""

    task: str
    settings: Mapping[str, Any]
    entry: Mapping[str, Any]


class ReasoningGym(BuiltIn):
    """The scorer's number, of which only 1 is correct; a solution that states no answer is unparseable."""

    loads = ("reasoning_gym",)

    def judge(self, answer: str, text: str) -> Said:
        """The score. Raises ValueError where the gold answer is no entry, and whatever a scorer raises."""
        gold = unpacked(answer)
        stated = stated_answer(self._part(text))
        if stated is None:
            return None
        score = _scorer(gold.task, json.dumps(gold.settings))(stated, gold.entry)
        return min(1.0, max(0.0, float(score)))

    def vote(self, answer: str, text: str) -> str:
        return answers.without_blanks(stated_answer(self._part(text)) or "")

    def stating(self, answer: str) -> str | None:
        """The entry's own answer; None for a task whose entries have none, since many are right."""
        own = unpacked(answer).entry["answer"]
        return None if own is None else f"<answer>{own}</answer>"


def stated_answer(text: str) -> str | None:
    """What the last `<answer>` and its end enclose, else what follows the last `####`; None where that is nothing."""
    tagged = _TAGGED.findall(text)
    stated = tagged[-1] if tagged else text.rpartition("####")[2] if "####" in text else ""
    return stated.strip() or None


def packed(gold: Gold) -> str:
    """A gold answer as text; what JSON cannot hold is in it as text too."""
    return json.dumps(
        {"task": gold.task, "settings": {**gold.settings}, "entry": _marked(gold.entry)}
    )


def unpacked(answer: str) -> Gold:
    """Undoes `packed`. Raises ValueError."""
    try:
        found = json.loads(answer)
        return Gold(found["task"], found["settings"], _unmarked(found["entry"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"the gold answer {answer[:80]!r} is no entry of reasoning-gym; use kind: reasoning_gym, and"
            ' data.columns.answer="{{ entry }}"'
        ) from error


@lru_cache
def _scorer(task: str, settings: str) -> Any:
    """The function that scores (answer, entry) of a task with these settings."""
    # Here and not at the top: it takes five seconds to load, and scorers belong in processes that can be killed.
    import reasoning_gym  # noqa: PLC0415

    return reasoning_gym.create_dataset(task, **json.loads(settings)).score_answer


def _marked(value: Any) -> Json:
    if isinstance(value, tuple):
        return {_TUPLE: [_marked(one) for one in value]}
    if isinstance(value, list):
        return [_marked(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _marked(one) for key, one in value.items()}
    # Fractions and the like, which tell how a question was made; no scorer compares with them.
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _unmarked(value: Json) -> Any:
    if isinstance(value, list):
        return [_unmarked(one) for one in value]
    if isinstance(value, dict):
        if [*value] == [_TUPLE]:
            return tuple(_unmarked(one) for one in value[_TUPLE])
        return {key: _unmarked(one) for key, one in value.items()}
    return value
