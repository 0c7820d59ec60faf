"""The figures of the benchmark are what they say, for steps whose times are written by hand."""

import pytest

pytest.importorskip("torch")

from hybrid_rl.tools.bench import figures
from hybrid_rl.tools.bench.relay import PHASES, Step

pytestmark = pytest.mark.slow  # the module of the steps imports transformers


def step(seconds: float, **phases: float) -> Step:
    return Step(seconds, dict.fromkeys(PHASES, 0.0) | phases, generated_tokens=60, passes=8)


def test_the_ratio_is_taken_pair_by_pair() -> None:
    ours = [step(1.0), step(4.0), step(3.0)]
    theirs = [step(2.0), step(4.0), step(4.0)]
    found = figures.ratio(ours, theirs)
    assert found["pairs"] == [0.5, 1.0, 0.75]
    assert found["median"] == 0.75
    assert found["low"] <= 0.75 <= found["high"]


def test_what_no_phase_explains_is_other() -> None:
    found = figures.summary([step(1.0, generate=0.5, forward=0.1, backward=0.3)] * 3)
    assert found["phases_seconds"]["other"] == pytest.approx(0.1)
    assert found["phases_share"]["other"] == pytest.approx(0.1)
    assert found["rollout_tokens_per_second"] == 120


def test_the_phases_of_unequal_steps_add_up_to_the_step() -> None:
    """Each of three steps spends most on another phase: medians of the phases would add up to far less than a step."""
    steps = [
        step(1.0, generate=0.8, forward=0.2),
        step(2.0, generate=0.1, forward=1.5, backward=0.4),
        step(1.5, generate=0.3, backward=1.2),
    ]
    found = figures.summary(steps)
    assert found["seconds_per_step"] == 1.5
    assert sum(found["phases_seconds"].values()) == pytest.approx(1.5)
    assert sum(found["phases_share"].values()) == pytest.approx(1)
    assert found["phases_share"]["forward"] == pytest.approx((0.2 + 0.75 + 0.0) / 3)
