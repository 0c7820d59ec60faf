"""Static alternation: every k-th step is SFT, after an optional warm-up."""

import json
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from hybrid_rl.methods.alternate import Alternate, AlternateSettings, kind_of
from hybrid_rl.types import Kind
from tests.fakes.schedules import positions


def settings(
    every: int = 3,
    warmup_steps: int | float = 0,
    sft_schedule: Kind = "sft",
    moments: Literal["shared", "by_kind"] = "shared",
) -> AlternateSettings:
    return AlternateSettings(
        name="alternate",
        group_size=4,
        every=every,
        warmup_steps=warmup_steps,
        sft_schedule=sft_schedule,
        moments=moments,
    )


def kinds(steps: int, **changes: Any) -> list[str]:
    method = Alternate(settings(**changes), {}, seed=0, steps=steps)
    return [method.next_update(step, step / method.steps).kind for step in range(steps)]


def test_sft_is_the_last_of_each_k_steps() -> None:
    assert [kind_of(step, 3) for step in range(7)] == ["rl", "rl", "sft", "rl", "rl", "sft", "rl"]


def test_warmup_comes_first() -> None:
    assert kinds(6, every=2, warmup_steps=2) == ["sft", "sft", "rl", "sft", "rl", "sft"]


def test_each_phase_runs_through_its_own_schedule() -> None:
    method = Alternate(settings(warmup_steps=0.5), {}, seed=0, steps=8)
    updates = [method.next_update(step, step / 8) for step in range(8)]
    assert positions(updates, range(8), of=8) == [0, 0.25, 0.5, 0.75, 0, 0.25, 0.5, 0.75]


def test_a_warmup_of_so_many_steps_runs_through_its_schedule_by_steps() -> None:
    """Whatever else is spent by then: here 0.1 of a budget for each step."""
    method = Alternate(settings(warmup_steps=2), {}, seed=0, steps=100)
    updates = [method.next_update(step, 0.1 * step) for step in range(4)]
    found = [u.schedule_span.position(step, 0.1 * step) for step, u in enumerate(updates)]
    assert found == pytest.approx([0, 0.5, 0, 0.1 / 0.8])


def test_more_steps_after_a_resume_leave_the_warmup_as_it_was() -> None:
    method = Alternate(settings(every=2, warmup_steps=0.5), {}, seed=0, steps=8)
    longer = Alternate(settings(every=2, warmup_steps=0.5), {}, seed=0, steps=20)
    for step in range(5):
        method.next_update(step, step / 8)
    longer.load_state_dict(json.loads(json.dumps(method.state_dict())))
    longer.rescale_progress((5 / 20) / (5 / 8))
    updates = [longer.next_update(step, step / 20) for step in range(5, 20)]
    assert [update.kind for update in updates] == ["sft", "rl"] * 7 + ["sft"]
    expected = [since / 16 for since in range(1, 16)]
    assert positions(updates, range(5, 20), of=20) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["sft", "rl"])
def test_sft_after_the_warmup_may_take_the_rate_of_rl(schedule: Kind) -> None:
    method = Alternate(settings(2, 2, schedule), {}, seed=0, steps=6)
    updates = [method.next_update(step, step / method.steps) for step in range(6)]
    assert [update.schedule or update.kind for update in updates] == [
        *("sft", "sft"),
        *("rl", schedule, "rl", schedule),
    ]


@pytest.mark.parametrize("warmup_steps", [0, 4, 0.1])
@pytest.mark.parametrize("every", [2, 3, 7])
def test_expected_sft_steps_are_exact(every: int, warmup_steps: int | float) -> None:
    found = kinds(50, every=every, warmup_steps=warmup_steps).count("sft")
    assert settings(every, warmup_steps).plan(50).expected == found


@pytest.mark.parametrize("wrong", [{"every": 1}, {"warmup_steps": -1}, {"warmup_steps": 1.5}])
def test_values_that_make_no_alternation_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        settings(**wrong)


def test_warmup_that_fills_the_run_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^method.warmup_steps = 8: a warm-up of 8 leaves none"):
        settings(warmup_steps=8).plan(8)


@pytest.mark.parametrize(
    ("moments", "names"),
    [("shared", ["shared"] * 5), ("by_kind", ["sft", "rl", "sft", "rl", "sft"])],
)
def test_each_kind_may_have_its_own_moments(
    moments: Literal["shared", "by_kind"], names: list[str]
) -> None:
    """The warm-up shares those of the SFT updates that follow."""
    method = Alternate(settings(2, 1, moments=moments), {}, seed=0, steps=5)
    assert [method.next_update(step, step / 5).moments for step in range(5)] == names


def test_an_alternation_without_an_sft_step_is_refused() -> None:
    assert settings(every=4).plan(4).fewest == 1
    with pytest.raises(ValueError, match=r"^method\.every = 4: with train\.steps = 3 no step"):
        settings(every=4).plan(3)
