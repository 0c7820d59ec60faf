"""Finds the final answer that a solution states, and decides whether it is the gold one.

Text in, outcome out: pure, standard library only, in time linear in the last MAX_CHARS characters of the solution, so
that none of this needs a clock. Verifiers `exact` and `numeric` are here, `roles` and `symbolic` in files of their own.
"""

import re
from typing import Literal

Judgement = Literal["correct", "wrong", "unparseable"]
MAX_CHARS = 20_000
"""Only this much of the end of a solution is searched for its answer."""
MAX_STATEMENTS = 20  # a text that announces its answer more often is not read any further back
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


def sentence_of(rest: str) -> str:
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
