from itertools import pairwise

import pytest

from hybrid_rl.config.train import PhaseSettings
from hybrid_rl.training.learning_rate import Moment, learning_rate, of_update
from hybrid_rl.types import Span, Update
from tests.conftest import Load


def phase(schedule: str, warmup: int | float = 0.0, floor: float = 0.1) -> PhaseSettings:
    return PhaseSettings.model_validate(
        {"learning_rate": 2.0, "schedule": schedule, "warmup": warmup, "floor": floor}
    )


@pytest.mark.parametrize(
    ("schedule", "position", "expected"),
    [
        ("constant", 0.9, 2.0),
        ("linear", 0.0, 2.0),
        ("linear", 0.5, 0.2 + 1.8 * 0.5),
        ("cosine", 0.0, 2.0),
        ("cosine", 0.5, 0.2 + 1.8 * 0.5),
        ("cosine", 1.0, 0.2),
        ("linear", 1.25, 0.2),
        ("cosine", 1.25, 0.2),
    ],
)
def test_schedules_by_hand(schedule: str, position: float, expected: float) -> None:
    assert learning_rate(phase(schedule), position, position + 0.1, 0) == pytest.approx(expected)


def test_a_rise_of_four_of_ten_steps_has_quarters_of_the_peak() -> None:
    """Then the schedule runs over the other six, from its top on."""
    slow = phase("linear", warmup=0.4)
    rates = [learning_rate(slow, step / 10, (step + 1) / 10, step) for step in range(10)]
    falling = [2.0 - 1.8 * since / 6 for since in range(6)]
    assert rates == pytest.approx([0.5, 1.0, 1.5, 2.0, *falling])


def test_a_rise_of_a_share_that_is_no_whole_number_of_steps() -> None:
    """A quarter of 10 steps is 2.5: 1/2.5, 2/2.5, and all of it with the step that passes the end of the rise."""
    slow = phase("constant", warmup=0.25)
    rates = [learning_rate(slow, step / 10, (step + 1) / 10, step) for step in range(4)]
    assert rates == pytest.approx([0.8, 1.6, 2.0, 2.0])


def test_the_rise_of_a_run_that_ends_by_flops_goes_by_what_updates_cost() -> None:
    """Of 1000 FLOPs the first 200 are the rise; updates of 50, 100, 120 and 30 end at 50, 150, 270, 300."""
    slow = phase("linear", warmup=0.2, floor=0.0)
    ends = [0, 50, 150, 270, 300]
    rates = [
        learning_rate(slow, a / 1000, b / 1000, step) for step, (a, b) in enumerate(pairwise(ends))
    ]
    falling = 2.0 * (1 - (270 - 200) / 800)
    assert rates == pytest.approx([2.0 * 50 / 200, 2.0 * 150 / 200, 2.0, falling])


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_a_rise_of_so_many_steps_is_that_of_their_share_of_a_run_that_is_ended_by_steps(
    schedule: str,
) -> None:
    counted, shared = phase(schedule, warmup=4), phase(schedule, warmup=0.4)
    for step in range(10):
        at = (step / 10, (step + 1) / 10, step)
        assert learning_rate(counted, *at) == pytest.approx(learning_rate(shared, *at)), step


def test_a_rise_of_two_steps_of_a_run_that_ends_by_flops_has_halves_and_is_followed_by_a_whole_fall() -> (
    None
):
    """Updates of 100, 200, 100, 300 and 300 of 1000 FLOPs; the fall begins at its top whatever the rise has cost."""
    slow = phase("linear", warmup=2, floor=0.0)
    ends = [0, 100, 300, 400, 700, 1000]
    rates = [
        learning_rate(slow, a / 1000, b / 1000, step) for step, (a, b) in enumerate(pairwise(ends))
    ]
    third, fourth = 0.4 * 2 / 3, 0.7 * 2 / 4  # of the run, as far as may be told from steps so far
    falling = [2.0 * (1 - (0.4 - third) / (1 - third)), 2.0 * (1 - (0.7 - fourth) / (1 - fourth))]
    assert rates == pytest.approx([1.0, 2.0, 2.0, *falling])
    assert learning_rate(slow, 1.0, 1.1, 5) == learning_rate(slow, 1.25, 1.3, 2) == 0.0


def test_a_rise_in_steps_counts_from_the_beginning_of_its_phase(load: Load) -> None:
    """SFT takes 4 of 10 steps, and RL, with a rise of 2, the 6 that follow; or a budget ended SFT after 3 of them."""
    settings = load(
        *("method=sft_then_grpo", "train.steps=10", "method.sft_fraction=0.4"),
        *("train.sft.warmup=3", "train.rl.warmup=2", "train.rl.learning_rate=1"),
        "train.sft.learning_rate=3",
    )
    for progress, first in (
        ([step / 10 for step in range(11)], 4),
        ([0, 0.2, 0.3, 0.5, 0.6, 0.9], 3),
    ):
        method = settings.method_class(settings.method, {}, 0, 10)
        moments = [Moment(step, done) for step, done in enumerate(progress)]
        rates = [
            of_update(method.next_update(*begin), settings.train, begin, end)
            for begin, end in pairwise(moments)
        ]
        sft, rl = rates[:first], rates[first:]
        assert sft == pytest.approx([1.0, 2.0, 3.0, 3.0][:first])
        assert rl == pytest.approx([0.5, *[1.0] * (len(rl) - 1)])


def test_an_update_takes_the_rate_of_its_kind_unless_it_names_another(load: Load) -> None:
    train = load(
        *(
            "method=grpo",
            "train.steps=10",
            "train.rl.learning_rate=1e-4",
            "train.rl.schedule=linear",
        ),
        *("train.rl.floor=0", "train.sft.learning_rate=1e-3"),
    ).train

    def rate(update: Update) -> float:
        return of_update(update, train, Moment(5, 0.5), Moment(6, 0.6))

    assert rate(Update("sft")) == 1e-3
    assert rate(Update("rl")) == pytest.approx(0.5e-4)
    assert rate(Update("sft", schedule="rl")) == pytest.approx(0.5e-4)
    by_share, by_steps = Span(0.4, 0.6), Span(2, 12, in_steps=True)
    assert rate(Update("sft", schedule="rl", schedule_span=by_share)) == pytest.approx(0.5e-4)
    assert rate(Update("sft", schedule="rl", schedule_span=by_steps)) == pytest.approx(0.7e-4)
