"""How a user's function is called: by the names of its parameters, for one solution or for many at once as TRL does.

Three forms are told apart by their parameters:

- `verify(answer, text, difficulty)`: the first two are the gold answer and the solution, whatever they are called;
  all others are columns of the row, or `prompt`, by name.
- `verify(completion, answer, difficulty)`: one is called `completion`, and all are given by name.
- `reward(prompts, completions, difficulty, **columns)`: one is called `completions`, and all are lists, as in TRL.

A parameter with a default value may be missing from the row; `**columns` takes all of it.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from hybrid_rl.types import Json

PROMPT = "prompt"
"""The name by which a function asks for the prompt: a text, or messages where the data give messages."""
_GIVEN = ("answer", "completion", "completions", "prompts")
_TRLS_OWN = ("completion_ids", "environments", "log_extra", "log_metric", "trainer_state")
"""What TRL's trainer gives beside columns; no process that can be killed has it."""
_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Asks:
    """What a verifier wants to be given beside the gold answer and the solution."""

    needed: tuple[str, ...] = ()
    """Columns that it cannot do without; `prompt` is one."""
    welcome: tuple[str, ...] = ()
    """Columns that a row may lack."""
    everything: bool = False
    """Whether it takes all columns, whatever they are called."""
    many: bool = False
    """Whether it is called for several solutions of one question at once, as TRL does."""

    def __or__(self, other: "Asks") -> "Asks":
        """What both want."""
        needed = dict.fromkeys((*self.needed, *other.needed))
        welcome = dict.fromkeys((*self.welcome, *other.welcome))
        everything = self.everything or other.everything
        return Asks(tuple(needed), tuple(welcome), everything, self.many or other.many)

    def of(self, columns: Mapping[str, Json]) -> dict[str, Json]:
        """Those of the columns that are wanted."""
        wanted = {*self.needed, *self.welcome}
        return {key: one for key, one in columns.items() if self.everything or key in wanted}


def asks_of(function: Callable[..., Any]) -> Asks:
    """What a function wants. Raises TypeError for one that cannot be called in any of the three forms."""
    found = _parameters(function)
    many = "completions" in found
    named = many or "completion" in found
    positional = [one for one in found.values() if one.kind in _POSITIONAL]
    starred = any(one.kind is Parameter.VAR_POSITIONAL for one in found.values())
    if not named and len(positional) < 2 and not starred:
        raise TypeError(
            f"it takes ({', '.join(found)}); write verify(answer, text), or call one of them completion or completions"
        )
    first = [one.name for one in positional[:2]]
    others = [
        one
        for one in found.values()
        if one.kind in _KEYWORD and one.name not in (_GIVEN if named else first)
    ]
    needed = [one.name for one in others if one.default is Parameter.empty]
    if trls := [name for name in needed if name in _TRLS_OWN]:
        raise TypeError(
            f"it asks for {', '.join(trls)}, which only TRL's own trainer has; give it a default value"
        )
    return Asks(
        needed=(*needed, PROMPT) if many and PROMPT not in needed else tuple(needed),
        welcome=tuple(one.name for one in others if one.default is not Parameter.empty),
        everything=any(one.kind is Parameter.VAR_KEYWORD for one in found.values()),
        many=many,
    )


def of_one(
    function: Callable[..., Any], answer: str, text: str, columns: Mapping[str, Json]
) -> Any:
    """What a function of the first or second form returns for a solution."""
    found = _parameters(function)
    if "completion" in found:
        return function(**_taken(found, {**columns, "answer": answer, "completion": text}))
    first = [one.name for one in found.values() if one.kind in _POSITIONAL][:2]
    rest = {key: one for key, one in columns.items() if key not in first}
    return function(answer, text, **_taken(found, rest))


def of_many(
    function: Callable[..., Any],
    answer: str,
    texts: Sequence[str],
    columns: Mapping[str, Json],
    as_messages: bool,
) -> list[Any]:
    """What a function of TRL's form returns, a value per solution of one question.

    Prompts and completions are messages where the prompt is, and where `as_messages` says so. Raises TypeError where
    what is returned is no list with a value per solution.
    """
    prompt = columns[PROMPT]
    if as_messages and isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    one_each: dict[str, list[Any]] = {key: [one] * len(texts) for key, one in columns.items()}
    del one_each[PROMPT]
    one_each |= {"prompts": [prompt] * len(texts), "answer": [answer] * len(texts)}
    one_each["completions"] = (
        [*texts]
        if isinstance(prompt, str)
        else [[{"role": "assistant", "content": text}] for text in texts]
    )
    said = function(**_taken(_parameters(function), one_each))
    values = [] if isinstance(said, str) else list(said)
    if len(values) != len(texts):
        raise TypeError(f"it returned {str(said)[:80]!r} for {len(texts)} completions")
    return values


def _parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except ValueError:  # some functions written in C do not tell theirs
        pair = ("answer", "text")
        return {name: Parameter(name, Parameter.POSITIONAL_ONLY) for name in pair}


def _taken(found: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that a function with these parameters takes by name."""
    if any(one.kind is Parameter.VAR_KEYWORD for one in found.values()):
        return dict(given)
    return {key: one for key, one in given.items() if key in found and found[key].kind in _KEYWORD}
