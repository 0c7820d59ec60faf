r"""Verifier `symbolic`: the expression that a solution states must equal the gold one, as math-verify and sympy decide.

We choose what is parsed - the last \boxed{}, a `####` line, or an "answer is" sentence - for math-verify's own search
takes quadratic time and any expression that comes last. This file is light; expressions.py loads sympy where it judges.
"""

import re
from itertools import accumulate

from hybrid_rl.verification import answers
from hybrid_rl.verification.verifier import BuiltIn, Said

MAX_STATEMENT = 1_000
"""A longer statement of an answer, in characters, is unparseable."""
MAX_DEPTH = 50
"""A statement whose brackets are nested deeper is unparseable: the parser would take minutes for it."""

# A box is followed by another one: "\boxed{1} and \boxed{2}".
_LINK = re.compile(r"(?:[\s,;.$]|\\[()\[\]]|\b(?:and|or)\b|\\(?:text|quad|,|;))*")
_DOLLAR = re.compile(r"(?<!\\)\$")
_MATH = re.compile(r"(?<!\\)\$|\\\(|\\\[|\\boxed")
_PERCENT = re.compile(r"\\?%")
_IN_DOLLARS = re.compile(r"(?<!\\)\$([^$]+)(?<!\\)\$")
# Several formulas with words between; a single one, or a stray dollar, is read without its dollars.
_FORMULAS = re.compile(r"[^$]*(?:\$[^$]+\$[^$]*){2,}")


class Symbolic(BuiltIn):
    """The expression that the text states equals the answer: symbolically, or to six digits as a decimal number."""

    loads = ("hybrid_rl.verification.expressions",)

    def judge(self, answer: str, text: str) -> Said:
        """Says whether the expressions are equal.

        Raises ValueError for a gold answer that cannot be parsed, and whatever sympy raises where no comparison
        succeeds.
        """
        # Here and not at the top: sympy takes half a second to load, and belongs in processes that can be killed.
        from hybrid_rl.verification import expressions  # noqa: PLC0415

        written = answer.strip()
        gold = _boxes(written) or _formula(written)
        if len(written) > MAX_STATEMENT or not expressions.readings(gold):
            raise ValueError(f"the gold answer {answer[:80]!r} is not an expression")
        stated = stated_expression(self._part(text), self._unmarked)
        if not stated or _depth(stated) > MAX_DEPTH or not expressions.readings(stated):
            return "unparseable"
        if expressions.is_text(stated) and not expressions.is_text(gold):
            return "unparseable"
        return "correct" if expressions.are_equal(gold, stated) else "wrong"

    def vote(self, answer: str, text: str) -> str:
        """The answer as written, spaces apart.

        Two spellings of one wrong answer are two votes, so that maj@k is, if anything, a little high.
        """
        part = self._part(text)
        boxed = answers.last_boxed(part)
        return super().vote(answer, part) if boxed is None else answers.without_blanks(boxed)

    def stating(self, answer: str) -> str:
        return answer if "\\boxed" in answer else f"\\boxed{{{answer}}}"


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
        between = text[span.stop : starts[first.start]]
        nested = span.stop > starts[first.start]
        if nested or len(between) > 40 or not _LINK.fullmatch(between):
            break
        first = span
    if first is spans[-1]:
        return _formula(text[first.start : first.stop - 1])
    chain = [text[span] for span in spans if span.start >= first.start]
    return " and ".join(f"$\\boxed{{{content}$" for content in chain)


def _formula(written: str) -> str:
    """A statement without a box, ready to be parsed. A percent sign is a unit, as in `numeric`."""
    if "\\(" in written or "\\[" in written:
        return written
    if _FORMULAS.fullmatch(written) and not re.search(r"\$\s+\$", written):
        return written
    bare = _PERCENT.sub("", _DOLLAR.sub("", written)).rstrip(" .")
    return f"\\boxed{{{bare}}}"


def _depth(text: str) -> int:
    """How deep brackets are nested, closed or not."""
    steps = ((char in "([{") - (char in ")]}") for char in text)
    return max(accumulate(steps, lambda depth, step: max(0, depth + step), initial=0))
