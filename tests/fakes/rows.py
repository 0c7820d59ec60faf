"""Rows in files, the settings that read them, and verifiers simple enough to predict, for tests of the data layer."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hybrid_rl.config.data import DataSettings
from hybrid_rl.data.questions import Questions
from hybrid_rl.data.splits import load_questions
from hybrid_rl.errors import DataError
from hybrid_rl.types import Outcome
from hybrid_rl.verification.functions import Asks
from hybrid_rl.verification.grader import Solution


class LastWord:
    """A verifier for tests: an answer is right where the text ends with it; a gold answer must have no blank in it."""

    first_error: str | None = None
    failures = 0
    settings = SimpleNamespace(verifier="mine")

    def __init__(self, asks: Asks | None = None) -> None:
        self._asks = asks

    def outcomes(self, solutions: Sequence[Solution]) -> list[Outcome]:
        return ["correct" if s.text.endswith(s.answer) else "wrong" for s in solutions]

    def asks(self, training: bool) -> dict[str, Asks]:
        return {"reward.verifier = mine": self._asks} if self._asks else {}

    def check_golds(self, answers: Sequence[str], columns: Sequence[Any] = ()) -> list[str | None]:
        return ["it has a blank" if " " in answer else None for answer in answers]


class Lenient(LastWord):
    """Takes every gold answer."""

    def check_golds(self, answers: Sequence[str], columns: Sequence[Any] = ()) -> list[str | None]:
        return [None for _ in answers]


BASE: dict[str, Any] = {
    "name": "mine",
    "directory": None,
    "train": None,
    "dev": 0,
    "dev_seed": 0,
    "test": {},
    "columns": {"id": None, "prompt": "{{ q }}", "answer": "{{ a }}", "trace": None, "level": None},
    "test_columns": {},
    "system": None,
    "instruction": None,
    "answer_pattern": None,
    "remove_pattern": None,
    "traces": None,
    "traces_seed": 0,
    "on_bad_row": "refuse",
    "on_overlap": "refuse",
    "on_long_prompt": "refuse",
    "max_prompt_tokens": 100,
}
TRACED = {**BASE["columns"], "trace": "{{ t }}"}


class Failing(LastWord):
    """Raises for each solution that has a number in it, and calls the others wrong."""

    def outcomes(self, solutions: Sequence[Solution]) -> list[Outcome]:
        failed = [any(map(str.isdigit, s.text)) for s in solutions]
        self.failures += sum(failed)
        self.first_error = "KeyError: 'broken' (mine.py:6)" if any(failed) else None
        return ["unparseable" if one else "wrong" for one in failed]


def settings(**changes: Any) -> DataSettings:
    return DataSettings.model_validate(BASE | changes)


def jsonl(path: Path, rows: Sequence[Any]) -> dict[str, Any]:
    """Write rows and say where, as a source."""
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return {"kind": "file", "path": str(path)}


def numbered(count: int, start: int = 0) -> list[dict[str, str]]:
    return [
        {"q": f"What is {i} + 0?", "a": str(i), "t": f"It is {i}"}
        for i in range(start, start + count)
    ]


def load(
    chosen: DataSettings,
    needs_traces: bool = False,
    train: bool = True,
    grader: LastWord | None = None,
) -> Questions:
    return load_questions(chosen, grader or LastWord(), needs_traces, train)


def refusal(chosen: DataSettings, **options: Any) -> list[str]:
    with pytest.raises(DataError) as raised:
        load(chosen, **options)
    return str(raised.value).split("\n")
