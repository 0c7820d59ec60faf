"""Where a text states its final answer: boxes, marks and sentences that announce one.

Knows neither verifiers nor gold answers. Everything here takes time linear in the length of the text, so that none of
it needs a clock.
"""

import re

MAX_CHARS = 20_000
"""Built-in verifiers search only this many characters at the end of a solution for its answer."""
MAX_STATEMENTS = 20  # a text that announces its answer more often is not read any further back
_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|\\[{}\\]|[{}]")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")
# "The answer is", "Final answer:", "the answer to the question is therefore", "<answer>", and a heading of its own.
ANSWER_IS = re.compile(
    r"<answer>"
    r"|^[#*_ \t>]*(?:the )?(?:final )?answer[*_: \t]*$|[*_]{2}(?:the )?(?:final )?answer:?[*_]{2}"
    r"|\bfinal answer\s+[-\u2013\u2014](?=\s)|\bans[*_]{0,2}\s*[:=]"
    r"|\banswers?\b[*_]{0,2}(?:\s+(?:to|for|of)\b[^.:\n]{0,100}?)?\s*"
    r"(?:\b(?:is|are|was|equals|must be|should be|would be)\b|[:=])[*_]{0,2}(?:\s*(?::|\btherefore\b|\bthus\b))?",
    re.IGNORECASE | re.MULTILINE,
)
_HASHES = re.compile("####")
_CONCLUSION = re.compile(r"\bconclusion\b", re.IGNORECASE)
# An empty box is how a solution quotes its instructions.
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{(?!\s*\})|[^\s{}])")


def answer_part(text: str, after: str | None) -> str:
    """The last MAX_CHARS characters of what follows the last `after`, or of all the text where that is absent."""
    return (text if after is None else text.rpartition(after)[2])[-MAX_CHARS:]


def sentence_of(rest: str) -> str:
    """The first sentence or line of `rest` that has words."""
    rest = rest.lstrip(" \t\r\n*_:")
    end = _SENTENCE_END.search(rest)
    return rest[: end.start()] if end else rest


def last_boxed(text: str) -> str | None:
    r"""The contents of the \boxed{} that starts last, which is the inner one where they are nested."""
    spans = boxed_spans(text)
    return text[spans[-1].start : spans[-1].stop - 1] if spans else None


def boxed_spans(text: str) -> list[slice]:
    r"""The spans of the contents of each complete \boxed{}, closing brace included, in order of their start."""
    open_braces: list[int | None] = []
    found = []
    for token in _BRACES.finditer(text):
        mark = token.group()
        if mark == "{":
            open_braces.append(None)
        elif mark == "}":
            if open_braces and (start := open_braces.pop()) is not None:
                found.append(slice(start, token.end()))
        elif mark.startswith(("\\boxed", "\\fbox")):
            open_braces.append(token.end())
    return sorted(found, key=lambda span: span.start)


def answer_start(text: str, *also: re.Pattern[str]) -> int:
    r"""The position at which the earliest statement of a final answer begins; len(text) where there is none.

    It is the beginning of the first sentence with a \boxed{}, a `####`, "the answer is", a conclusion, or one of the
    patterns in `also`. A statement among thoughts that are taken back later counts: what comes after it may copy it. A
    bare gold string is no statement: "2" is everywhere (BREAD notes, trap T3).
    """
    patterns = (_BOX, _HASHES, ANSWER_IS, _CONCLUSION, *also)
    first = [found.start() for pattern in patterns if (found := pattern.search(text))]
    return _sentence_start(text, min(first)) if first else len(text)


def without_blanks(text: str) -> str:
    """`text` without its white space, so that answers that differ in it alone become equal."""
    return "".join(text.split())


def _sentence_start(text: str, position: int) -> int:
    """The position at which the sentence or line around `position` begins, its leading blanks left out."""
    start = max((end.end() for end in _SENTENCE_END.finditer(text, 0, position)), default=0)
    return position - len(text[start:position].lstrip())
