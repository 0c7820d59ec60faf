"""Verifiers as a user might write them; worker processes import them by dotted path."""

import os
import signal
import time

from hybrid_rl.verification.verifier import Verifier

NOT_A_FUNCTION = 3


def share_of_words(answer: str, text: str) -> float | None:
    """How many words of the answer are in the text; None for an empty text."""
    words = answer.split()
    return sum(word in text.split() for word in words) / len(words) if text else None


def obeys(answer: str, text: str) -> object:
    """Does what the text says."""
    match text:
        case "sleep":
            time.sleep(1e6)
        case "allocate":
            hoard = []
            while True:
                hoard.append(bytearray(2**24))
        case "exit":
            os._exit(3)
        case "abort":
            os.abort()
        case "raise":
            raise KeyError("broken")
        case "three":
            return 3.0
        case "text":
            return "yes"
    return text == answer


def size(answer: str, text: str) -> int | None:
    """The number of its characters; nothing for none."""
    return len(text) or None


def never(answer: str, text: str) -> bool:
    """Does not end within any clock."""
    time.sleep(1e6)
    return False


def noted(answer: str, text: str) -> bool:
    """Correct; the answer names a file, which gets a line for each verification."""
    with open(answer, "a") as file:
        file.write(f"{text}\n")
    return True


def in_a_storm(answer: str, text: str) -> bool:
    """Correct, though meanwhile its whole process group is told to end, as Slurm and a terminal do it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        os.killpg(os.getpgrp(), number)
    return True


def told_and_never(answer: str, text: str) -> bool:
    """Prints a line, and does not end within any clock."""
    os.write(1, b"at work\n")
    return never(answer, text)


class Letters:
    """An answer is what stands between < and >, whatever the case; a gold answer must be made of letters."""

    in_process = False

    def judge(self, answer: str, text: str) -> bool | None:
        stated = self._stated(text)
        return None if stated is None else stated == answer.lower()

    def answer_start(self, text: str) -> int:
        return text.find("<") if "<" in text else len(text)

    def vote(self, answer: str, text: str) -> str:
        return str(os.getpid()) if text == "where?" else f"letters {self._stated(text)}"

    def stating(self, answer: str) -> str:
        return f"<{answer}>" if answer.isalpha() else "?"

    def _stated(self, text: str) -> str | None:
        inside, mark, _ = text.rpartition("<")[2].partition(">")
        return inside.lower() if mark else None


LETTERS = Letters()
"""An object in place of a class."""


class Nearby(Letters):
    """Asks to be called in the process of the run."""

    in_process = True


class Broken(Letters):
    """Judges, and fails at all else."""

    def answer_start(self, text: str) -> int:
        return -1

    def vote(self, answer: str, text: str) -> str:
        raise KeyError("no vote")

    def stating(self, answer: str) -> str:
        time.sleep(1e6)
        return answer


class WithoutVote:
    """Lacks two members."""

    def judge(self, answer: str, text: str) -> bool:
        return True

    def stating(self, answer: str) -> str:
        return answer


class Ledger(Verifier):
    """Judges the embedded task as `exact` does; only its votes show that it is not that one."""

    def judge(self, answer: str, text: str) -> bool | None:
        stated = text.rpartition("#")[2].split()
        return stated == answer.split() if stated and "#" in text else None

    def answer_start(self, text: str) -> int:
        return text.find("#") if "#" in text else len(text)

    def vote(self, answer: str, text: str) -> str:
        return f"ledger {text.rpartition('#')[2].split()}"

    def stating(self, answer: str) -> str:
        return f"# {answer}"


def within(answer: str, text: str, tolerance: float, unit: str = "") -> bool:
    """Whether the text is as near to the answer as the row says, with the row's unit behind it."""
    number = text.removesuffix(unit)
    return text.endswith(unit) and abs(float(number) - float(answer)) <= tolerance


def after_the_bracket(answer: str, completion: str, tolerance: float, unit: str) -> bool:
    """The same, of what follows the last <; it asks for all by name."""
    return within(answer, completion.rpartition("<")[2], tolerance, unit)


class Tolerant(Letters):
    """Asks for a column too; a gold answer states itself."""

    def judge(self, answer: str, text: str, tolerance: float) -> bool | None:  # type: ignore[override]  # by name
        return within(answer, text, tolerance)

    def stating(self, answer: str) -> str:
        return answer


def longest(prompts: list[str], completions: list[str], **columns: list[object]) -> list[float]:
    """In the form of TRL: 1 for the longest completions of all that it is given, 0 for the others."""
    assert len({len(prompts), len(completions), *map(len, columns.values())}) == 1
    most = max(map(len, completions))
    return [float(len(one) == most) for one in completions]


def obeys_all(completions: list[str], **columns: list[object]) -> list[object]:
    """In the form of TRL: does what each completion says."""
    return [obeys("yes", one) for one in completions]


def in_tags(completions: list[list[dict[str, str]]], **columns: object) -> list[float]:
    """In the form of TRL, for conversations."""
    return [float(one[0]["content"].startswith("<")) for one in completions]
