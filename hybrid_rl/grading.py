"""Finds the final answer that a solution states, and decides whether it is the gold one.

Text in, outcome out: pure, standard library only, in time linear in the last MAX_CHARS characters of the solution, so
that none of this needs a clock. Verifiers `exact` and `numeric` are here, `roles` and `symbolic` in files of their own.
"""

import re
from fractions import Fraction
from typing import Literal

from hybrid_rl import numbers

Judgement = Literal["correct", "wrong", "unparseable"]

MAX_CHARS = 20_000
"""Only this much of the end of a solution is searched for its answer."""

_MAX_STATEMENTS = 20  # a text that announces its answer more often is not read any further back

_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|\\[{}\\]|[{}]")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")
# "The answer is", "Final answer:", "the answer to the question is therefore", "<answer>".
ANSWER_IS = re.compile(
    r"<answer>"
    r"|\banswers?\b[*_]{0,2}(?:\s+(?:to|for|of)\b[^.:\n]{0,100}?)?\s*"
    r"(?:\b(?:is|are|was|equals|must be|should be|would be)\b|[:=])[*_]{0,2}(?:\s*(?::|\btherefore\b|\bthus\b))?",
    re.IGNORECASE,
)
_CONCLUSION = re.compile(r"\bconclusion\b", re.IGNORECASE)
# An empty box is how a solution quotes its instructions.
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{(?!\s*\})")
# "(1) Ada is a knave" on a line of its own.
_ROLE_LINE = re.compile(
    r"^[^\w\n]{0,6}\d{1,2}[ \t]*[).:][^\w\n]{0,4}[^\W\d_][\w'-]*(?: [A-Z][\w'-]*)?"
    r"\W{1,4}(?:is\s+an?|[:=-])\W{1,4}(?:knight|knave)",
    re.IGNORECASE | re.MULTILINE,
)


def answer_part(text: str, after: str | None) -> str:
    """What follows the last `after`, or all of the text where that is absent; of it, the last MAX_CHARS characters."""
    if after is not None:
        text = text.rpartition(after)[2]
    return text[-MAX_CHARS:]


def exact(answer: str, text: str) -> Judgement:
    """All that follows the last `#` equals the answer, whatever the spaces; nothing there is unparseable."""
    stated = exact_answer(text)
    if stated is None:
        return "unparseable"
    return "correct" if stated == " ".join(answer.split()) else "wrong"


def exact_answer(text: str) -> str | None:
    """What follows the last `#`, its words with one blank between; None where that is nothing."""
    _, mark, rest = text.rpartition("#")
    return " ".join(rest.split()) or None if mark else None


def numeric(answer: str, text: str, unmarked: bool = False) -> Judgement:
    """The number that the text states equals that of the answer, exactly: 0.5 is 1/2, 0.33 is not 1/3.

    Raises ValueError where the answer is no number.
    """
    gold = numeric_gold(answer)
    if gold is None:
        raise ValueError(f"the gold answer {answer[:80]!r} is not a number")
    stated = numeric_answer(text, unmarked)
    if stated is None:
        return "unparseable"
    return "correct" if stated == gold else "wrong"


def numeric_gold(answer: str) -> Fraction | None:
    """The number that a gold answer is, bare or marked as in a solution."""
    stated = numeric_answer(answer)
    return numbers.stated(answer) if stated is None else stated


def numeric_answer(text: str, unmarked: bool = False) -> Fraction | None:
    r"""The number that a solution states as its answer.

    The first of these that is there decides: the last `####` that a number follows (others are headings), the last
    \boxed{}, the last "answer is" that a number follows, and with `unmarked` the last number of all. Currency, percent
    and unit words after the number are left out; an expression, a list, a range or a scale ("5 million") is none.
    """
    for rest in reversed(text.split("####")[1:]):
        value = numbers.stated(rest, listed=False)
        if value is not None:
            return value
    boxed = last_boxed(text)
    if boxed is not None:
        return numbers.stated(boxed)
    for found in reversed(list(ANSWER_IS.finditer(text))[-_MAX_STATEMENTS:]):
        value = numbers.stated(_sentence(text[found.end() : found.end() + 500]), inside=True)
        if value is not None:
            return value
    return numbers.last(text) if unmarked else None


def _sentence(rest: str) -> str:
    """The first sentence or line of `rest` that has words."""
    rest = rest.lstrip(" \t\r\n*_:")
    end = _SENTENCE_END.search(rest)
    return rest[: end.start()] if end else rest


def last_boxed(text: str) -> str | None:
    r"""What the \boxed{} that starts last holds, that of an inner one where they are nested."""
    spans = boxed_spans(text)
    return text[spans[-1].start : spans[-1].stop - 1] if spans else None


def boxed_spans(text: str) -> list[slice]:
    r"""Where the contents of each complete \boxed{} are, closing brace included, in order of their start."""
    open_braces: list[int | None] = []
    found = []
    for token in _BRACES.finditer(text):
        mark = token.group()
        if mark == "{":
            open_braces.append(None)
        elif mark == "}":
            start = open_braces.pop() if open_braces else None
            if start is not None:
                found.append(slice(start, token.end()))
        elif mark.startswith(("\\boxed", "\\fbox")):
            open_braces.append(token.end())
    return sorted(found, key=lambda span: span.start)


def answer_start(text: str, verifier: str) -> int:
    r"""Where the earliest statement of a final answer begins, in characters; len(text) where there is none.

    The beginning of the first sentence with a \boxed{}, a `####`, "the answer is", a conclusion or, with `roles`, a
    numbered role; with `exact` the first `#`. A statement among thoughts that are taken back later counts: what comes
    after it may copy it. A bare gold string is no statement: "2" is everywhere (BREAD notes, trap T3).
    """
    if verifier == "exact":
        return text.find("#") if "#" in text else len(text)
    patterns = [_BOX, re.compile("####"), ANSWER_IS, _CONCLUSION]
    if verifier == "roles":
        patterns.append(_ROLE_LINE)
    first = [found.start() for pattern in patterns if (found := pattern.search(text))]
    return _sentence_start(text, min(first)) if first else len(text)


def _sentence_start(text: str, position: int) -> int:
    """Where the sentence or line around `position` begins, its leading blanks left out."""
    start = 0
    for end in _SENTENCE_END.finditer(text, 0, position):
        start = end.end()
    while start < position and text[start].isspace():
        start += 1
    return start
