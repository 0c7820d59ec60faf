"""The cases of an audit: solutions with the verdict that they should get, from a file or from the data of a run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from hybrid_rl.config.reward import BUILT_IN_VERIFIERS
from hybrid_rl.config.settings import Settings
from hybrid_rl.data.questions import Question
from hybrid_rl.data.splits import load_questions
from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Json, Outcome
from hybrid_rl.verification.grader import Grader, Solution

_EXPECTED = {"correct": True, "not correct": False}
_FORM = '{"gold": "5", "solution": "#### 5", "expected": "correct" or "not correct"}'
_MOST_TOLD = 5


@dataclass(frozen=True)
class Case:
    """A solution and whether it reaches its gold answer."""

    verifier: str
    category: str
    gold: str
    solution: str
    correct: bool
    debatable: bool
    """Whether reasonable people differ: such a case is told apart and breaks no limit."""
    where: str
    """Its line in the file, or its row in the data."""
    columns: Mapping[str, Json] = field(default_factory=dict)
    """What the verifier asks for beside the gold answer, as in `Example.columns`."""


def from_file(settings: Settings) -> list[Case]:
    """The cases of audit.cases. Raises SettingsError with the lines that are none."""
    given = settings.audit.cases
    if given is None:
        text = resources.files(__package__).joinpath("cases.jsonl").read_text(encoding="utf-8")
    else:
        try:
            text = Path(given).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"audit.cases = {given}: cannot be read ({error}); give a file of cases"
            ) from error
    cases: list[Case] = []
    bad: list[str] = []
    # Not splitlines: a JSON string may hold what that takes for the end of a line, such as U+2028.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            made = _case(line, settings, number)
            if isinstance(made, str):
                bad.append(made)
            else:
                cases.append(made)
    if bad or not cases:
        told = "; ".join(bad[:_MOST_TOLD]) or "it has no case"
        more = f"; and {len(bad) - _MOST_TOLD} more" if len(bad) > _MOST_TOLD else ""
        raise SettingsError(f"audit.cases = {given}: {told}{more}; a line is {_FORM}")
    return cases


def _case(line: str, settings: Settings, number: int) -> Case | str:
    """The case of a line; what is wrong with it, where it is none."""
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        return f"line {number} is not JSON"
    if not isinstance(found, Mapping):
        return f"line {number} is no object"
    wrong = [key for key in ("gold", "solution") if not isinstance(found.get(key), str)]
    if wrong:
        return f"line {number} has no text as {' and '.join(wrong)}"
    if not isinstance(found.get("columns", {}), Mapping):
        return f"line {number} has columns that are no object"
    if found.get("expected") not in _EXPECTED:
        return f"line {number} has expected = {str(found.get('expected'))[:40]!r}"
    own = settings.audit.own_verifiers
    verifier = (found.get("verifier") if own else None) or settings.reward.verifier
    if verifier not in (*BUILT_IN_VERIFIERS, settings.reward.verifier):
        return f"line {number} has verifier = {str(verifier)[:40]!r}, of {', '.join(BUILT_IN_VERIFIERS)}"
    return Case(
        verifier,
        str(found.get("category") or "-"),
        found["gold"],
        found["solution"],
        _EXPECTED[found["expected"]],
        bool(found.get("debatable")),
        f"line {number}",
        found.get("columns", {}),
    )


def from_data(settings: Settings, grader: Grader) -> list[Case]:
    """Cases of the questions of data=: each gold answer stated and each trace is correct, its neighbour's gold is not.

    The last is debatable, for two questions may have one answer in two spellings. Raises DataError.
    """
    lenient = settings.data.model_copy(update={"on_bad_row": "drop", "on_overlap": "drop"})
    with _Unchecked(settings.reward) as unchecked:
        found = load_questions(lenient, unchecked, False, settings.data.train is not None)
    splits = {"train": found.train, "dev": found.dev, **found.test}
    return [
        case
        for name, questions in splits.items()
        for case in _of_split(name, questions, grader, settings.reward.verifier)
    ]


class _Unchecked(Grader):
    """A grader to which all gold answers and traces are right: the audit asks about them itself."""

    def check_golds(
        self, answers: Sequence[str], columns: Sequence[Mapping[str, Json]] = ()
    ) -> list[str | None]:
        return [None] * len(answers)

    def outcomes(self, solutions: Sequence[Solution]) -> list[Outcome]:
        return ["correct"] * len(solutions)


def _of_split(
    name: str, questions: Sequence[Question], grader: Grader, verifier: str
) -> Iterator[Case]:
    stating = grader.stating([question.answer for question in questions])
    after = [*stating[1:], *stating[:1]]
    for at, question in enumerate(questions):
        case = partial(
            Case, verifier, gold=question.answer, where=question.id, columns=question.columns
        )
        stated, other = stating[at], after[at]
        if stated is not None:
            yield case(f"gold answers of {name}", solution=stated, correct=True, debatable=False)
        if question.trace is not None:
            yield case(f"traces of {name}", solution=question.trace, correct=True, debatable=False)
        if other is not None and questions[(at + 1) % len(questions)].answer != question.answer:
            yield case(f"other golds of {name}", solution=other, correct=False, debatable=True)
