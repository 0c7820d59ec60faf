"""The length of a warm-up: a count, or a share of the run."""

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from hybrid_rl.methods.warmup import StepsOrShare, share_length, warmup_length


@pytest.mark.parametrize(
    ("warmup", "steps", "length"), [(20, 140, 20), (0.15, 140, 21), (0.15, 3, 1), (0, 3, 0)]
)
def test_warmup_is_a_count_or_a_share(warmup: int | float, steps: int, length: int) -> None:
    assert warmup_length(warmup, steps) == length


@pytest.mark.parametrize("share", [0.01, 0.05, 0.15, 0.2, 0.428, 0.9, 0.999])
@pytest.mark.parametrize("steps", [2, 3, 7, 100, 140, 300])
def test_a_share_has_the_steps_that_begin_within_it(share: float, steps: int) -> None:
    begun = sum(step / steps < share for step in range(steps))
    assert share_length(share, steps) == min(begun, steps - 1)


def test_warmup_that_fills_the_run_is_refused() -> None:
    message = (
        "method.warmup_steps = 10: a warm-up of 10 leaves none of the 10 steps of train.steps; "
        "lower the one or raise the other"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        warmup_length(10, 10)


def test_a_fractional_number_of_steps_is_refused() -> None:
    adapter = TypeAdapter(StepsOrShare)
    assert [adapter.validate_python(value) for value in (0, 7, 0.5)] == [0, 7, 0.5]
    with pytest.raises(
        ValidationError, match=r"2\.5 is neither a whole number of steps nor a share"
    ):
        adapter.validate_python(2.5)
