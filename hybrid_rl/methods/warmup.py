"""The length of an SFT warm-up, as a setting says it: a number of updates, or a share of the run.

SASR opens with a warm-up and the static alternation may have the same one; neither needs to know the other.
"""

from typing import Annotated

from pydantic import AfterValidator


def _count_or_share(value: int | float) -> int | float:
    if isinstance(value, float) and value >= 1:
        raise ValueError(f"{value} is neither a whole number of steps nor a share below 1")
    return value


StepsOrShare = Annotated[int | float, AfterValidator(_count_or_share)]
"""A whole number of steps, or a share of them below 1; a fractional number of steps is refused."""


def warmup_length(warmup_steps: int | float, steps: int) -> int:
    """Warm-up updates in a run of `steps`: a count as it is; a share rounded, at least one; 0 is 0.

    Raises ValueError when no step would be left after the warm-up.
    """
    length = max(1, round(warmup_steps * steps)) if 0 < warmup_steps < 1 else int(warmup_steps)
    if length >= steps:
        raise ValueError(
            f"method.warmup_steps = {warmup_steps}: a warm-up of {length} leaves none of the "
            f"{steps} steps of train.steps; lower the one or raise the other"
        )
    return length
