"""Finds the final answer that a solution states, and decides whether it is the gold one.

Text in, outcome out: pure, standard library only, in time linear in the last MAX_CHARS characters of the solution, so
that none of this needs a clock. Verifiers `exact` and `numeric` are here, `roles` and `symbolic` in files of their own.
"""

from hybrid_rl.verification.answers import Judgement


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
