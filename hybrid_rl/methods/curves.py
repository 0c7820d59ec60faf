"""Curves over a run: the weight, the share or the probability that a method lets rise or fall as it goes on.

A length is a count of optimizer steps, or below 1 a share of the run by whatever ends it, as for `warmup.StepsOrShare`.
"""

import math


def falling(position: float, first: float, last: float) -> float:
    """The cosine from `first` at position 0 to `last` at 1 and beyond."""
    return last + (first - last) * (1 + math.cos(math.pi * min(max(position, 0.0), 1.0))) / 2


def since(step: int, progress: float, length: int | float) -> float:
    """The time that is over when `step` begins, in the unit in which `length` is given."""
    return step if length >= 1 else progress
