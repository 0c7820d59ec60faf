"""A question in words, before any tokenizer, and when two are the same one. Knows no source and no model."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hybrid_rl.types import Json


@dataclass(frozen=True)
class GeneratedQuestion:
    """A question as a generator makes it; its fields are the columns of the row."""

    question: str
    answer: str
    trace: str
    level: str


@dataclass(frozen=True)
class Message:
    """One message of the prompt."""

    role: str
    content: str


@dataclass(frozen=True)
class Question:
    """One question of any split; only those of train have a trace."""

    id: str
    messages: tuple[Message, ...]
    question: str
    """The last message of the user."""
    answer: str
    trace: str | None = None
    level: str | None = None
    columns: Mapping[str, Json] = field(default_factory=dict, hash=False)
    """The columns of its row that the reward asks for, as in `Example.columns`."""


@dataclass(frozen=True)
class Questions:
    """The questions of every split; no two splits share one, but test sets may share some among each other."""

    train: list[Question]
    dev: list[Question]
    test: dict[str, list[Question]]
    notes: list[str]
    """Every count that a reader of the run must know, in sentences."""
    fingerprint: dict[str, str]
    """The sha256 of the questions, by split or name of the test set."""


_LATEX_SPACING = re.compile(r"\\(?:[,;:! ]|quad\b|qquad\b|left\b|right\b|displaystyle\b)|[~$]")
# A mark before or between digits is part of a number, and an apostrophe may be a derivative.
_PUNCTUATION = re.compile(r"[\"`\u201c\u201d?]|(?<!\d)[,;:]|[.,;:](?!\d)")
_INNER_SPACE = re.compile(r"(?<!\w)\s+|\s+(?!\w)")


def normalise(text: str) -> str:
    """The text without what two printings of one question differ in: case, blanks, LaTeX spacing, punctuation.

    Signs and operators stay: `x+y` and `x-y` are two questions.

    >>> normalise("What is  $x\\\\, + y$?")
    'what is x+y'
    """
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    text = _PUNCTUATION.sub(" ", _LATEX_SPACING.sub(" ", text))
    return _INNER_SPACE.sub("", " ".join(text.split()))


def digest(text: str) -> str:
    """The sha256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(questions: Sequence[Question]) -> str:
    """The sha256 of the questions, in order, as canonical JSON: one list of all of them."""
    encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    found = hashlib.sha256(b"[")
    for place, question in enumerate(questions):
        row = {**vars(question), "messages": [vars(message) for message in question.messages]}
        if not row["columns"]:
            del row["columns"]  # a question is the same whether or not a reward could ask for more
        found.update(f"{',' if place else ''}{encoder.encode(row)}".encode())
    found.update(b"]")
    return found.hexdigest()
