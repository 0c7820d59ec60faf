r"""Verifier `symbolic`: the expression that a solution states must equal the gold one, exactly or as a decimal number.

What is stated, `statements` finds; how it is read and compared, `expressions` knows. This file is light: sympy is
loaded where it judges.
"""

from itertools import accumulate

from hybrid_rl.verification import answers, statements
from hybrid_rl.verification.number_words import in_words
from hybrid_rl.verification.statements import MAX_STATEMENT
from hybrid_rl.verification.verifier import BuiltIn, Said

MAX_DEPTH = 50
"""A statement whose brackets are nested deeper is unparseable: the parser would run out of stack."""


class Symbolic(BuiltIn):
    """The expression that the text states equals the answer, exactly or as a decimal number of six digits or more."""

    loads = ("hybrid_rl.verification.expressions",)

    def judge(self, answer: str, text: str) -> Said:
        """Says whether the expressions are equal.

        Raises ValueError for a gold answer that cannot be parsed, and whatever sympy raises where no comparison
        succeeds.
        """
        # Here and not at the top: sympy takes half a second to load, and belongs in processes that can be killed.
        from hybrid_rl.verification import expressions  # noqa: PLC0415

        gold = statements.of_answer(answer).text
        problem = "is not an expression" if _too_much(answer) else expressions.problem_of_gold(gold)
        if problem is not None:
            raise ValueError(f"the gold answer {answer[:80]!r} {problem}")
        words = expressions.is_words(gold)
        stated = self._stated(text, words)
        if stated is None or _too_much(stated):
            return "unparseable"
        if expressions.are_equal(gold, stated):
            return "correct"
        read = expressions.readings(stated)
        return "wrong" if read and (words or not expressions.is_words(stated)) else "unparseable"

    def vote(self, answer: str, text: str) -> str:
        """The answer as written, spaces apart.

        Two spellings of one wrong answer are two votes, so that maj@k is, if anything, a little high.
        """
        part = self._part(text)
        boxed = answers.last_boxed(part)
        return super().vote(answer, part) if boxed is None else answers.without_blanks(boxed)

    def stating(self, answer: str) -> str:
        return answer if "\\boxed" in answer else f"\\boxed{{{answer}}}"

    def _stated(self, text: str, words: bool) -> str | None:
        """What the text states, in the plain spelling. `words`: whether the gold answer is made of words."""
        part = self._part(text)
        for statement in statements.statements(part):
            if words or not statement.bare_words or in_words(statement.text) is not None:
                return statement.text
        return statements.last_formula(part) if self._unmarked else None


def _too_much(written: str) -> bool:
    """Whether a statement is too long, or its brackets are nested too deep, closed or not."""
    steps = ((char in "([{") - (char in ")]}") for char in written[: MAX_STATEMENT + 1])
    depth = max(accumulate(steps, lambda depth, step: max(0, depth + step), initial=0))
    return len(written) > MAX_STATEMENT or depth > MAX_DEPTH
