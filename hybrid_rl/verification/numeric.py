"""Verifier `numeric`: the number that a solution states must be the gold number, compared exactly.

It is cheap: no library, and time linear in the length of the part that is read.
"""

from fractions import Fraction
from functools import lru_cache

from hybrid_rl.verification import number_text, statements
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


@lru_cache(maxsize=4096)  # all solutions of a question have the same
def numeric_gold(answer: str) -> Fraction | None:
    """The number that a gold answer is, bare or marked as in a solution."""
    return _number(statements.of_answer(answer))


def numeric_answer(text: str, unmarked: bool = False) -> Fraction | None:
    """The number that a solution states as its answer.

    The statement that counts (`statements.statements`) must be one number: currency, percent and what may follow a
    number (`after_number`) are left out; an expression, a list, a range or a scale ("5 million") is none. Where nothing
    is stated, the last number of all counts with `unmarked`.
    """
    for statement in statements.statements(text):
        if (value := _number(statement)) is not None:
            return value
        if not statement.bare_words:
            return None
    return number_text.last_number(statements.spelled(text[-500:])) if unmarked else None


def _number(statement: statements.Statement) -> Fraction | None:
    """The number that every part of a statement is; None where one is no number, or they differ."""
    values = {number_text.stated_number(part) for part in statement.parts}
    return values.pop() if len(values) == 1 else None
