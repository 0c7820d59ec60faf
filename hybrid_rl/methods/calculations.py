"""Calculations in the text of a solution: equations whose result is a number, written plainly, marked, or in LaTeX.

"48 / 2 = 24" is one, "7 votes * 3 = 21 votes" up to its 21, and so is GSM8K's "48/2 = <<48/2=24>>24" with or without
its calculator mark. What the solution of a word problem works out lies between them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

MARK = r"<<[^<>\n]*=[^<>\n]*>>"
"""The pattern of a calculator mark of GSM8K."""
# 12 | 1,000 | 3,5 | 2:30 | 1 000 | .5 | 1/2 | 3 1/2
_NUMBER = r"(?:\d++(?:[.,:]\d++|[ \u00a0\u202f]\d{3}(?!\d))*+|\.\d++)(?: \d++/\d++|/\d++)?"
_UNIT = r"[%°$€£¥¢]?+"
_SIGNS = r"[-+−~$€£¥₹ \t]{0,4}+"  # noqa: RUF001
_OPERATOR = r"[-+*/×÷·−–^]"  # noqa: RUF001
# A number with the words for what it counts, "7 votes" or "5 degrees/minute", or a variable, "3U". Atomic groups and
# limits to what repeats keep the time linear.
_WORDS = r"(?:[A-Za-z]{1,8})?(?: [A-Za-z'’]+(?:/[A-Za-z]+)?){0,8}?"  # noqa: RUF001
_TERM = rf"(?>\(*+{_SIGNS}\(*+(?:{_NUMBER}{_UNIT}{_WORDS}|\d*+[A-Za-z]\b)\)*+(?=\s*(?:{_OPERATOR}|x\s|x\d|[=≈])))"
_SIDE = rf"{_TERM}(?>\s*(?:{_OPERATOR}|x)\s*{_TERM}){{0,40}}+"
# A side begins with a term, not within a number or behind an operator.
_BEGINS = rf"(?<![\w.,(√])(?<!{_OPERATOR})(?<!{_OPERATOR} )(?<!=)(?<!= )(?<!\bx )(?=\S)(?![-+−]\s)"  # noqa: RUF001
# Behind the result there is no operator, no further side, no letter as in 3x or 24kg, and no factor as in 6(5); two
# asterisks may end bold print.
_ENDS = r"(?!\w|\(|\s*(?:[-+/×÷·^=<>≈−–]|\*(?!\*(?!\s*[\d(]))|x\s*[\d$(.]))"  # noqa: RUF001
_EQUATION = re.compile(
    rf"(?:{_BEGINS}(?:{_SIDE}\s*[=≈]){{1,9}}|[=≈]|(?=<<)){_SIGNS}"
    rf"(?:{MARK}(?:{_SIGNS}(?P<marked>{_NUMBER}){_UNIT})?+|(?P<result>{_NUMBER}){_UNIT}){_ENDS}"
)
_BEHIND = re.compile(r"[.,;:!?\"'”’»)\]*_]*\s*")  # noqa: RUF001
_LAST_NUMBER = re.compile(rf".*(?<![\w.,])({_NUMBER})", re.DOTALL)


class Calculation(NamedTuple):
    """A span of text, with the marks and the blanks that follow it."""

    start: int
    """Where the first side begins; where that is in words, as in "cost = 5", the place of the equals sign."""
    end: int
    result: str
    """The number that comes out; empty where a formula has none."""


def calculations(text: str, protected: Sequence[tuple[int, int]]) -> list[Calculation]:
    """All calculations in their order; of the `protected` spans, formulas and environments that equate are some."""
    found = []
    for equation in _EQUATION.finditer(text):
        if any(_cuts_into(equation, span, text) for span in protected):
            continue
        result = equation["marked"] or equation["result"] or _last_number(equation.group())
        found.append(Calculation(equation.start(), _behind(text, equation.end()), result))
    for first, last in protected:
        formula = text[first:last]
        if formula.startswith(("$", "\\")) and "=" in formula and last <= len(text):
            found.append(Calculation(first, _behind(text, last), _last_number(formula)))
    return sorted(found)


def _cuts_into(equation: re.Match[str], span: tuple[int, int], text: str) -> bool:
    """Whether a plain equation is, or ends, within a protected span; a mark belongs to the equation that it is in."""
    start, end = equation.span()
    first, last = span
    return first < start < last or first < end < last or (first == start and text[first] != "<")


def _behind(text: str, end: int) -> int:
    marks = _BEHIND.match(text, end)
    assert marks is not None, "the pattern matches nothing too"
    return marks.end()


def _last_number(text: str) -> str:
    number = _LAST_NUMBER.match(text)
    return number[1] if number else ""
