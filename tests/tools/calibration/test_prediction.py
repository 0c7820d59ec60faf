"""The arithmetic of calibrate=true, with step times that are given, by hand."""

from dataclasses import replace

import pytest

from hybrid_rl.tools.calibration.prediction import (
    Measured,
    device_hours,
    evaluations,
    in_words,
    looks,
    predict,
    side_by_side,
)
from tests.conftest import Load

SFT = {"steps": 1.0, "seconds": 0.5, "flops": 100.0, "device_seconds": 0.4}
RL = {"steps": 1.0, "seconds": 2.0, "flops": 300.0, "device_seconds": 1.9}
BOTH = Measured(
    steps={"sft": SFT, "rl": RL},
    counts={"sft": 5, "rl": 7},
    dev_seconds=3.0,
    set_seconds={"hard": 10.0, "easy": 4.0},
    fixed_seconds=20.0,
    checkpoint_seconds=1.0,
)
QUARTER = ("method=sft_then_grpo", "method.sft_fraction=0.25", "train.steps=40")


def test_a_run_takes_its_steps_by_kind_its_looks_its_evaluations_and_what_is_done_once(
    load: Load,
) -> None:
    """10 SFT and 30 RL; looks after 16, 32 and 40; two evaluations of 14 s; checkpoints at 25 and 40."""
    settings = load(*QUARTER, "train.eval_every=16", "train.save_every=25", "eval.before=true")
    settings = settings.model_copy(
        update={"eval": settings.eval.model_copy(update={"best": False, "sets": ["hard", "easy"]})}
    )
    found = predict(settings, BOTH)
    assert (found.steps, found.sft_steps, found.ended_by) == (40, 10, None)
    assert found.training == 10 * 0.5 + 30 * 2.0
    assert found.looks == (1 + 3) * 3.0
    assert found.evaluations == 2 * 14.0
    assert found.checkpoints == 2 * 1.0
    assert found.seconds == 65 + 12 + 28 + 2 + 20
    assert device_hours(settings, found.seconds) == 127 / 3600


def test_what_steps_take_more_at_the_beginning_comes_once(load: Load) -> None:
    slow = replace(BOTH, beginning_seconds=4.0)
    settings = load(*QUARTER)
    assert predict(settings, slow).training == predict(settings, BOTH).training + 4.0


def test_a_budget_of_flops_ends_the_run_that_is_predicted(load: Load) -> None:
    """4,000 FLOPs are 40 steps of SFT, a quarter of which, 10, leaves 3,000 for 10 of RL."""
    found = predict(load(*QUARTER, "train.steps=1000", "budget.flops=4000"), BOTH)
    assert (found.steps, found.sft_steps, found.ended_by) == (20, 10, "flops")
    assert found.training == 10 * 0.5 + 10 * 2.0


def test_a_budget_of_device_seconds_ends_it_by_what_steps_took(load: Load) -> None:
    """40 device seconds are 100 steps of SFT: 25 of them are 10 s, and 30 s are 16 of RL, the last of which passes."""
    found = predict(load(*QUARTER, "train.steps=1000", "budget.device_seconds=40"), BOTH)
    assert (found.steps, found.sft_steps, found.ended_by) == (25 + 16, 25, "device_seconds")


def test_a_method_of_one_kind_needs_the_time_of_that_kind_alone(load: Load) -> None:
    only_rl = Measured({"rl": RL}, {"rl": 3}, 0.0, {}, 0.0, None)
    found = predict(load("method=grpo", "train.steps=10"), only_rl)
    assert (found.training, found.seconds) == (20.0, 20.0)
    only_sft = Measured({"sft": SFT}, {"sft": 3}, 0.0, {}, 0.0, None)
    assert predict(load("method=sft", "train.steps=10"), only_sft).training == 5.0


@pytest.mark.parametrize(
    ("typed", "count"),
    [
        (("train.eval_every=null",), 0),
        (("train.eval_every=20",), 3),  # 20, 40, 50
        (("train.eval_every=25",), 2),
        (("train.eval_every=0.1",), 10),
        (("train.eval_every=0.07",), 15),  # 14 multiples and the end
        (("train.eval_every=25", "eval.before=true"), 3),
        (("train.eval_every=25", "eval.before=true", "eval.sets=[dev]", "eval.samples=0"), 2),
    ],
)
def test_looks_at_dev_by_hand(load: Load, typed: tuple[str, ...], count: int) -> None:
    settings = load("train.steps=50", "eval.before=false", "eval.dev_samples=0", *typed)
    assert looks(settings, 50) == count


def test_evaluations_are_those_after_before_and_of_the_best_weights(load: Load) -> None:
    assert evaluations(load("eval.before=false", "eval.best=false")) == 1
    assert evaluations(load("eval.before=true", "eval.best=true")) == 3


def test_jobs_side_by_side_by_hand() -> None:
    assert side_by_side([3.0, 2.0, 2.0], 1, {}) == 7.0
    assert side_by_side([3.0, 2.0, 2.0], 2, {}) == 4.0  # the third follows the second
    # The second waits for the first, so the third goes before it.
    assert side_by_side([3.0, 2.0, 2.0], 2, {1: 0}) == 5.0
    assert side_by_side([], 2, {}) == 0.0


def test_durations_in_words() -> None:
    seconds = [5, 99, 150, 900, 5400, 20_000, 400_000]
    words = ["5 s", "99 s", "2.5 min", "15 min", "90 min", "5.6 h", "4.6 days"]
    assert [in_words(second) for second in seconds] == words
