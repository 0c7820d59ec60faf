"""Verifiers as a user might write them; worker processes import them by dotted path."""

import os
import signal
import time

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
