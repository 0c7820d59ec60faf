"""A verifier that takes a while, as symbolic comparison or running a program does. Light: worker processes load it."""

import time

SECONDS = 0.005


def slow(answer: str, text: str) -> bool:
    """Whether the solution states the answer, after SECONDS."""
    time.sleep(SECONDS)
    return text.endswith(f"# {answer}")
