"""How a time grows with a size: the exponent that fits what was measured. Nothing is run or read here."""

from collections.abc import Sequence
from math import exp, log
from statistics import linear_regression
from typing import NamedTuple

LARGER = 3
"""Sizes that count, the largest of all: what a small one takes is more the start than the work."""


class Fit(NamedTuple):
    """A time that is proportional to a power of the size."""

    exponent: float
    """1: twice the size takes twice the time; 2: it takes four times as long."""
    error: float
    """The share by which the fit misses a measured time at most."""


def fit(sizes: Sequence[float], seconds: Sequence[float]) -> Fit:
    """The fit by least squares of the logarithms, over the larger sizes. The sizes ascend and are two at least."""
    across, up = ([log(value) for value in values[-LARGER:]] for values in (sizes, seconds))
    line = linear_regression(across, up)
    missed = (line.slope * x + line.intercept - y for x, y in zip(across, up, strict=True))
    return Fit(line.slope, max(abs(exp(one) - 1) for one in missed))
