"""Verifier `numeric`: the number that a solution states must be the gold number, compared exactly.

It is cheap: no library, and time linear in the length of the part that is read.
"""

from fractions import Fraction

from hybrid_rl.verification import number_text
from hybrid_rl.verification.answers import ANSWER_IS, MAX_STATEMENTS, last_boxed, sentence_of
from hybrid_rl.verification.verifier import BuiltIn, Said, compared


class Numeric(BuiltIn):
    """The number that the text states equals that of the answer, exactly: 0.5 is 1/2, 0.33 is not 1/3."""

    in_process = True

    def judge(self, answer: str, text: str) -> Said:
        """Says whether the numbers are equal. Raises ValueError where the answer is no number."""
        gold = numeric_gold(answer)
        if gold is None:
            raise ValueError(f"the gold answer {answer[:80]!r} is not a number")
        return compared(numeric_answer(self._part(text), self._unmarked), gold)

    def vote(self, answer: str, text: str) -> str:
        return str(numeric_answer(self._part(text), self._unmarked))

    def stating(self, answer: str) -> str:
        value = numeric_gold(answer)
        return answer if value is None else f"#### {value}"


def numeric_gold(answer: str) -> Fraction | None:
    """The number that a gold answer is, bare or marked as in a solution."""
    stated = numeric_answer(answer)
    return number_text.leading_number(answer) if stated is None else stated


def numeric_answer(text: str, unmarked: bool = False) -> Fraction | None:
    r"""The number that a solution states as its answer.

    The first of these that is there decides: the last `####` that a number follows (others are headings), the last
    \boxed{}, the last "answer is" that a number follows, and with `unmarked` the last number of all. Currency, percent
    and unit words after the number are left out; an expression, a list, a range or a scale ("5 million") is none.
    """
    for rest in reversed(text.split("####")[1:]):
        if (value := number_text.leading_number(rest, headings=True)) is not None:
            return value
    if (boxed := last_boxed(text)) is not None:
        return number_text.leading_number(boxed)
    for found in reversed(list(ANSWER_IS.finditer(text))[-MAX_STATEMENTS:]):
        sentence = sentence_of(text[found.end() : found.end() + 500])
        if (value := number_text.leading_number(sentence, anywhere=True)) is not None:
            return value
    return number_text.last_number(text) if unmarked else None
