"""Finds the final answer that a solution states, and decides whether it is the gold one.

Text in, outcome out: pure, standard library only, in time linear in the last MAX_CHARS characters of the solution, so
that none of this needs a clock. Verifiers `exact` and `numeric` are here, `roles` and `symbolic` in files of their own.
"""

from fractions import Fraction

from hybrid_rl.verification import number_text
from hybrid_rl.verification.answers import (
    ANSWER_IS,
    MAX_STATEMENTS,
    Judgement,
    last_boxed,
    sentence_of,
)


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
    return number_text.stated(answer) if stated is None else stated


def numeric_answer(text: str, unmarked: bool = False) -> Fraction | None:
    r"""The number that a solution states as its answer.

    The first of these that is there decides: the last `####` that a number follows (others are headings), the last
    \boxed{}, the last "answer is" that a number follows, and with `unmarked` the last number of all. Currency, percent
    and unit words after the number are left out; an expression, a list, a range or a scale ("5 million") is none.
    """
    for rest in reversed(text.split("####")[1:]):
        value = number_text.stated(rest, listed=False)
        if value is not None:
            return value
    boxed = last_boxed(text)
    if boxed is not None:
        return number_text.stated(boxed)
    for found in reversed(list(ANSWER_IS.finditer(text))[-MAX_STATEMENTS:]):
        value = number_text.stated(sentence_of(text[found.end() : found.end() + 500]), inside=True)
        if value is not None:
            return value
    return number_text.last(text) if unmarked else None
