r"""Verifier of mathematical answers: math-verify and sympy decide. Imported only in processes that can be killed.

We choose what is parsed - the last \boxed{}, a `####` line, or an "answer is" sentence - for math-verify's own search
takes quadratic time and any expression that comes last. Its timeouts use SIGALRM and are off; the clock is the pool's.
"""

import logging
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any

from math_verify import parse, verify
from sympy import Expr, Integral, Limit, Product, Sum, nan, oo, zoo  # type: ignore[import-untyped] # it has none

from hybrid_rl.verification import answers, number_text
from hybrid_rl.verification.answers import Judgement

MAX_STATEMENT = 1_000
"""A longer statement of an answer, in characters, is unparseable."""
MAX_DEPTH = 50
"""So is one whose brackets are nested deeper, which the parser would take minutes for."""

# A box is followed by another one: "\boxed{1} and \boxed{2}".
_LINK = re.compile(r"(?:[\s,;.$]|\\[()\[\]]|\b(?:and|or)\b|\\(?:text|quad|,|;))*")
_SCIENTIFIC = re.compile(r"(?<![\w.\\])(-?[0-9]+(?:\.[0-9]+)?)[eE]([-+]?[0-9]{1,3})(?![\w.])")
_DOLLAR = re.compile(r"(?<!\\)\$")
_MATH = re.compile(r"(?<!\\)\$|\\\(|\\\[|\\boxed")
_PERCENT = re.compile(r"\\?%")
_IN_DOLLARS = re.compile(r"(?<!\\)\$([^$]+)(?<!\\)\$")
# Several formulas with words between; a single one, or a stray dollar, is read without its dollars.
_FORMULAS = re.compile(r"[^$]*(?:\$[^$]+\$[^$]*){2,}")

# They warn of disabled timeouts, once per process.
logging.getLogger("math_verify").setLevel(logging.ERROR)
logging.getLogger("latex2sympy2_extended").setLevel(logging.ERROR)


def symbolic(answer: str, text: str, unmarked: bool = False) -> Judgement:
    """The expression that the text states equals the answer: symbolically, or to six digits as a decimal number.

    Raises ValueError for a gold answer that cannot be parsed, and whatever sympy raises where no comparison succeeds.
    """
    gold = _parsed_gold(answer)
    if not gold:
        raise ValueError(f"the gold answer {answer[:80]!r} is not an expression")
    statement = stated_expression(text, unmarked)
    readable = statement is not None and _depth(statement) <= MAX_DEPTH
    found = _parsed(statement) if statement and readable else []
    if not found or (_only_text(found) and not _only_text(gold)):
        return "unparseable"
    problem: Exception | None = None
    for one, other in product(gold, found):
        if _is_infinite(one) != _is_infinite(other):
            continue  # sympy simplifies 7 - oo**oo to 0 in one process of three
        try:
            if verify(
                one,
                other,
                allow_set_relation_comp=True,
                timeout_seconds=None,
                raise_on_error=True,
            ):
                return "correct"
        except Exception as error:  # noqa: BLE001 - sympy may fail on absurd input; another reading may still fit
            problem = error
    if problem is not None:
        raise problem
    return "wrong"


def stated_expression(text: str, unmarked: bool = False) -> str | None:
    r"""What the text states as its answer, ready to be parsed.

    The first of these that is there: the last \boxed{} with those that it is joined to, the last `####` line, the last
    "answer is" sentence, and with `unmarked` the end of the text, of which the last expression counts.
    """
    boxed = _boxes(text)
    if boxed is not None:
        return boxed if len(boxed) <= MAX_STATEMENT else None
    _, mark, rest = text.rpartition("####")
    if not mark:
        found = list(answers.ANSWER_IS.finditer(text))
        if not found:
            return text[-MAX_STATEMENT:] if unmarked else None
        rest = text[found[-1].end() :]
    line = next((line for line in rest.splitlines() if line.strip(" *_:")), "").strip(" *_:")
    line = line.removesuffix("</answer>").rstrip(" .")
    if not line or len(line) > MAX_STATEMENT:
        return None
    formulas = _IN_DOLLARS.findall(line)
    if len(formulas) == 1:
        return _formula(formulas[0])
    if _MATH.search(line) or (not mark and "\\" not in line):
        return f"The answer is {line}"
    return _formula(line)


def _boxes(text: str) -> str | None:
    r"""The last \boxed{} and those right before it, as written."""
    spans = answers.boxed_spans(text)
    if not spans:
        return None
    first = spans[-1]
    # Where this box's own command begins.
    starts = {span.start: text.rfind("\\", 0, span.start - 1) for span in spans}
    for span in reversed(spans[:-1]):
        between = (
            text[span.stop : starts[first.start]] if span.stop <= starts[first.start] else None
        )
        if between is None or len(between) > 40 or not _LINK.fullmatch(between):
            break
        first = span
    if first is spans[-1]:
        return _formula(text[first.start : first.stop - 1])
    chain = [text[span] for span in spans if span.start >= first.start]
    return " and ".join(f"$\\boxed{{{content}$" for content in chain)


@lru_cache(maxsize=1024)
def _parsed_gold(answer: str) -> tuple[Any, ...]:
    """The gold answer as math-verify reads it, bare or with its math delimiters."""
    written = answer.strip()
    if len(written) > MAX_STATEMENT:
        return ()
    return tuple(_parsed(_boxes(written) or _formula(written)))


def _formula(written: str) -> str:
    """A statement without a box, ready to be parsed. A percent sign is a unit, as in `numeric`."""
    if "\\(" in written or "\\[" in written:
        return written
    if _FORMULAS.fullmatch(written) and not re.search(r"\$\s+\$", written):
        return written
    bare = _PERCENT.sub("", _DOLLAR.sub("", written)).rstrip(" .")
    return f"\\boxed{{{bare}}}"


def _is_infinite(reading: Any) -> bool:
    """Whether it is a value with an infinity or nan in it; bounds of intervals, sums and limits are none."""
    if not isinstance(reading, Expr) or reading.has(Sum, Product, Integral, Limit):
        return False
    return bool(reading.has(oo, -oo, zoo, nan))


def _depth(text: str) -> int:
    """How deep brackets are nested, closed or not."""
    depth = deepest = 0
    for char in text:
        if char in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in ")]}":
            depth = max(0, depth - 1)
    return deepest


def _parsed(text: str) -> Sequence[Any]:
    """Readings of an expression: a sympy object, and its text. Raises what the parser raises."""
    text = _SCIENTIFIC.sub(r"\1 \\times 10^{\2}", number_text.ascii_digits(text))
    found: list[Any] = parse(text, parsing_timeout=None, raise_on_error=True)
    return [one for one in found if not (isinstance(one, str) and not one.strip())]


def _only_text(readings: Sequence[Any]) -> bool:
    return all(isinstance(one, str) for one in readings)
