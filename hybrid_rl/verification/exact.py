"""Verifier `exact`: the words after the last `#` must be those of the gold answer."""

from hybrid_rl.verification import answers
from hybrid_rl.verification.verifier import BuiltIn, Said, compared


class Exact(BuiltIn):
    """All that follows the last `#` equals the answer, whatever the spaces; nothing there is unparseable."""

    in_process = True

    def judge(self, answer: str, text: str) -> Said:
        return compared(exact_answer(self._part(text)), " ".join(answer.split()))

    def answer_start(self, text: str) -> int:
        """The first `#`: in solutions of this kind nothing else announces an answer."""
        return text.find("#") if "#" in text else len(text)

    def vote(self, answer: str, text: str) -> str:
        return answers.without_blanks(exact_answer(self._part(text)) or "")

    def stating(self, answer: str) -> str:
        return f"# {answer}"


def exact_answer(text: str) -> str | None:
    """What follows the last `#`, with one blank between words; None where that is nothing."""
    _, mark, rest = text.rpartition("#")
    return " ".join(rest.split()) or None if mark else None
