"""A verifier that takes a while, as symbolic comparison does. It imports little, because worker processes load it."""

import time

SECONDS = 0.005


def slow(answer: str, text: str) -> bool:
    """Whether the solution states the answer, after SECONDS."""
    time.sleep(SECONDS)
    return text.endswith(f"# {answer}")
