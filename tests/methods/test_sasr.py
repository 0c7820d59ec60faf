"""SASR: the formula, the draw, the two phases, the norms that count, the controls."""

import json
import math
import re
from typing import Any

import pytest
from pydantic import ValidationError

from hybrid_rl.methods import sasr
from hybrid_rl.methods.sasr import Sasr, SasrSettings
from hybrid_rl.types import Update
from tests.fakes.schedules import positions

INFINITY = float("inf")
NAN = float("nan")


def settings(**changes: Any) -> SasrSettings:
    values: dict[str, Any] = {
        "name": "sasr",
        "group_size": 4,
        "warmup_steps": 4,
        "reference_steps": 2,
        "gamma": 1.0,
        "smoothing": 0.0,
        "probe_every": None,
        "sft_schedule": "sft",
        "moments": "shared",
        "control": None,
        "fixed_probability": 0.5,
        "sft_steps": None,
    }
    return SasrSettings(**{**values, **changes})


def build(steps: int = 10, seed: int = 0, **changes: Any) -> Sasr:
    return Sasr(settings(**changes), {}, seed, steps)


def warm_up(method: Sasr, norms: list[float]) -> None:
    for step, norm in enumerate(norms):
        method.observe_norm(step, method.next_update(step, step / method.steps), norm)
    method.next_update(
        len(norms), len(norms) / method.steps
    )  # it is over once another step is asked for


def run(method: Sasr, steps: range, norm: float) -> list[Update]:
    """The updates of these steps, every gradient having the same norm."""
    updates = []
    for step in steps:
        updates.append(method.next_update(step, step / method.steps))
        method.observe_norm(step, updates[-1], norm)
    return updates


def play(method: Sasr, steps: range, norms: list[float]) -> list[Update]:
    """As the trainer does: a measurement comes on top of the step's update."""
    updates = []
    for step in steps:
        updates.append(method.next_update(step, step / method.steps))
        method.observe_norm(step, updates[-1], norms[step])
        if updates[-1].measure_only:
            updates.append(method.next_update(step, step / method.steps))
            method.observe_norm(step, updates[-1], norms[step])
    return updates


@pytest.mark.parametrize(
    ("gamma", "expected"),
    [
        (0.5, [0.800, 0.667, 0.615, 0.500, 0.333, 0.167]),
        (1.0, [0.667, 0.500, 0.444, 0.333, 0.200, 0.091]),
        (2.0, [0.500, 0.333, 0.286, 0.200, 0.111, 0.048]),
    ],
)
def test_probability_has_the_published_values(gamma: float, expected: list[float]) -> None:
    ratios = [2, 1, 0.8, 0.5, 0.25, 0.1]
    found = [sasr.switch_probability(3.0 * ratio, 3.0, gamma) for ratio in ratios]
    assert found == pytest.approx(expected, abs=5e-4)


def test_without_a_norm_the_probability_is_that_of_equal_norms() -> None:
    assert sasr.switch_probability(None, None, gamma=3.0) == 0.25


@pytest.mark.parametrize(
    ("norm", "fact"), [(0.5, True), (0.0, False), (INFINITY, False), (NAN, False)]
)
def test_only_positive_finite_norms_are_usable(norm: float, fact: bool) -> None:
    assert sasr.usable(norm) is fact


def test_smoothing_weighs_the_past() -> None:
    assert sasr.smoothed(2.0, 1.0, 0.0) == 1.0
    assert sasr.smoothed(2.0, 1.0, 0.9) == pytest.approx(1.9)


def test_draw_depends_on_seed_and_step_alone() -> None:
    first = [sasr.draw(1, step) for step in range(5)]
    assert first == [sasr.draw(1, step) for step in range(5)]
    assert len({*first, *(sasr.draw(2, step) for step in range(5))}) == 10
    # Written out, so that a resume under another Python or process keeps its choices.
    assert sasr.draw(1, 0) == pytest.approx(0.5733448956596993, abs=1e-12)


def test_choice_is_sft_below_the_probability() -> None:
    u = sasr.draw(7, 3)
    assert sasr.choose(math.nextafter(u, 1), 7, 3) == "sft"
    assert sasr.choose(u, 7, 3) == "rl"


@pytest.mark.parametrize("wrong", [0, 2.5, -1])
def test_warmup_of_no_or_fractional_steps_is_refused(wrong: float) -> None:
    with pytest.raises(ValidationError, match="warmup_steps"):
        settings(warmup_steps=wrong)


def test_each_phase_runs_through_its_own_schedule() -> None:
    updates = run(build(steps=10), range(10), norm=1.0)
    assert [update.kind for update in updates[:4]] == ["sft"] * 4
    assert positions(updates, range(10), of=10) == pytest.approx(
        [0, 1 / 4, 2 / 4, 3 / 4, 0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6]
    )


def test_reference_is_the_mean_of_the_last_warmup_norms() -> None:
    method = build(reference_steps=2)
    warm_up(method, [9.0, 8.0, 4.0, 2.0])
    note = method.next_update(4, 4 / method.steps).note
    assert note == {
        "phase": "hybrid",
        "p": pytest.approx(2 / (2 + 3)),
        "draw": sasr.draw(0, 4),
        "g_last": 2.0,
        "g_warmup": 3.0,
        "sft_updates": 0,
    }


def test_moving_average_starts_from_the_reference() -> None:
    method = build(reference_steps=2, smoothing=0.5)
    warm_up(method, [9.0, 8.0, 4.0, 2.0])
    assert method.last_norm == pytest.approx((3 + 2) / 2)
    method.observe_norm(4, Update("sft"), 0.5)
    assert method.last_norm == pytest.approx((2.5 + 0.5) / 2)


def test_only_sft_norms_move_the_last_norm_and_none_moves_the_reference() -> None:
    method = build()
    warm_up(method, [4.0, 4.0, 4.0, 4.0])
    method.observe_norm(4, Update("rl"), 100.0)
    assert (method.last_norm, method.sft_updates) == (4.0, 0)
    method.observe_norm(5, Update("sft"), 1.0)
    assert (method.last_norm, method.warmup_norm, method.sft_updates) == (1.0, 4.0, 1)


@pytest.mark.parametrize("useless", [0.0, INFINITY, NAN])
def test_useless_norm_keeps_the_previous_one(useless: float) -> None:
    method = build(reference_steps=10)
    warm_up(method, [4.0, useless, 2.0, useless])
    method.observe_norm(4, Update("sft"), useless)
    assert (method.last_norm, method.warmup_norm) == (2.0, 3.0)


def test_warmup_without_a_usable_norm_leaves_the_probability_of_equal_norms() -> None:
    method = build(gamma=3.0)
    warm_up(method, [NAN] * 4)
    assert method.next_update(4, 4 / method.steps).note["p"] == 0.25
    method.observe_norm(4, Update("sft"), 2.0)
    assert method.warmup_norm == 2.0


def test_equal_norms_give_a_constant_probability() -> None:
    updates = run(build(steps=50, gamma=2.0), range(50), norm=0.7)
    assert {round(update.note["p"], 12) for update in updates[4:]} == {round(1 / 3, 12)}


def test_share_of_sft_steps_is_the_mean_probability() -> None:
    method = build(steps=1004, seed=3)
    warm_up(method, [1.0] * 4)
    probabilities, sft = [], 0
    for step in range(4, 1004):
        update = method.next_update(step, step / method.steps)
        probabilities.append(update.note["p"])
        sft += update.kind == "sft"
        method.observe_norm(step, update, 1 - 0.9 * step / 1004)
    variance = sum(p * (1 - p) for p in probabilities)
    assert abs(sft - sum(probabilities)) < 3 * math.sqrt(variance)
    assert probabilities[0] == 0.5
    assert probabilities[-1] < 0.2


def test_two_ranks_with_the_same_events_agree() -> None:
    one, two = build(steps=100, seed=5), build(steps=100, seed=5)
    assert run(one, range(100), 0.3) == run(two, range(100), 0.3)


def test_resume_repeats_the_choices() -> None:
    whole, first, second = (build(steps=60, probe_every=2) for _ in range(3))
    norms = [5.0 / (1 + step) for step in range(60)]
    expected = play(whole, range(60), norms)
    play(first, range(25), norms)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.state_dict() == first.state_dict()
    resumed = play(second, range(25, 60), norms)
    assert resumed == expected[-len(resumed) :]


def prolonged(method: Sasr, steps: int, **changes: Any) -> Sasr:
    """The method of the same run, resumed with more steps."""
    longer = build(steps=steps, **changes)
    longer.load_state_dict(json.loads(json.dumps(method.state_dict())))
    return longer


def test_more_steps_after_a_resume_leave_the_warmup_as_it_was() -> None:
    method = build(steps=20, warmup_steps=0.2)
    run(method, range(10), norm=2.0)
    longer = prolonged(method, steps=100, warmup_steps=0.2)
    longer.rescale((10 / 100) / (10 / 20))
    updates = run(longer, range(10, 100), norm=1.0)
    assert {update.note["phase"] for update in updates} == {"hybrid"}
    assert longer.warmup_norm == 2.0
    assert positions(updates, range(10, 100), of=100) == pytest.approx(
        [(step - 4) / 96 for step in range(10, 100)]
    )


def test_more_steps_after_a_resume_leave_the_shuffled_steps_as_drawn() -> None:
    changes: dict[str, Any] = {"warmup_steps": 0.2, "control": "shuffled", "sft_steps": 6}
    whole = [update.kind for update in run(build(steps=20, **changes), range(20), norm=1.0)]
    method = build(steps=20, **changes)
    run(method, range(10), norm=1.0)
    longer = run(prolonged(method, steps=40, **changes), range(10, 40), norm=1.0)
    assert [update.kind for update in longer] == whole[10:] + ["rl"] * 20


def test_probe_measures_after_so_many_steps_without_sft() -> None:
    method = build(steps=20, probe_every=3, control="fixed", fixed_probability=0.0)
    norms = [1.0] * 4 + [0.5] * 16
    updates = play(method, range(12), norms)
    kinds = ["probe" if update.measure_only else update.kind for update in updates]
    assert kinds == ["sft"] * 4 + ["rl"] * 3 + ["probe"] + ["rl"] * 3 + ["probe"] + ["rl"] * 2
    assert (method.last_norm, method.sft_updates) == (0.5, 0)


def test_the_decision_of_a_step_tells_of_the_probe_before_it() -> None:
    method = build(steps=20, probe_every=3, control="fixed", fixed_probability=0.0, smoothing=0.5)
    notes = [
        update.note
        for update in play(method, range(9), [1.0] * 4 + [0.5] * 5)
        if not update.measure_only
    ]
    assert [note.get("probe") for note in notes] == [None] * 7 + [0.5, None]
    assert notes[7]["g_last"] == 0.75


def test_probe_with_a_useless_norm_is_not_repeated_within_the_step() -> None:
    method = build(steps=20, probe_every=1, control="fixed", fixed_probability=0.0)
    updates = play(method, range(6), [NAN] * 20)
    assert [update.measure_only for update in updates] == [False] * 5 + [True, False]
    assert updates[-1].note["probe"] is None


def test_fixed_probability_ignores_the_norms() -> None:
    method = build(steps=1004, control="fixed", fixed_probability=0.25)
    updates = run(method, range(1004), norm=1e-3)[4:]
    assert {update.note["p"] for update in updates} == {0.25}
    share = sum(update.kind == "sft" for update in updates)
    assert abs(share - 250) < 3 * math.sqrt(1000 * 0.25 * 0.75)


def test_shuffled_control_takes_exactly_so_many_sft_steps() -> None:
    method = build(steps=100, control="shuffled", sft_steps=30)
    updates = run(method, range(100), norm=1e-6)
    at = [step for step, update in enumerate(updates) if update.kind == "sft"]
    assert len(at) == 4 + 30
    assert at[:4] == [0, 1, 2, 3]
    other = build(steps=100, seed=1, control="shuffled", sft_steps=30)
    assert at != [s for s, update in enumerate(run(other, range(100), 1.0)) if update.kind == "sft"]
    assert updates[50].note["p"] == pytest.approx(30 / 96)
    assert updates[50].note["draw"] is None


def test_shuffled_control_without_a_count_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"shuffled needs sft_steps, .* found null"):
        settings(control="shuffled")


def test_shuffled_control_with_too_many_steps_is_refused() -> None:
    message = (
        "method.sft_steps = 7: only 6 of 10 steps follow the warm-up; "
        "lower method.sft_steps or raise train.steps"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build(steps=10, control="shuffled", sft_steps=7)


def test_without_warmup_the_first_sft_norm_is_the_reference() -> None:
    method = build(steps=10, gamma=3.0, control="no_warmup")
    assert method.next_update(0, 0 / method.steps).note["p"] == 0.25
    method.observe_norm(0, Update("rl"), 50.0)
    assert method.next_update(1, 1 / method.steps).note["p"] == 0.25
    method.observe_norm(1, Update("sft"), 6.0)
    method.observe_norm(2, Update("sft"), 2.0)
    assert method.next_update(3, 3 / method.steps).note["p"] == pytest.approx(2 / (2 + 3 * 6))
    assert positions([method.next_update(5, 0.5)], [5], of=10) == [0.5]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 4 + 48),
        ({"gamma": 3.0}, 4 + 24),
        ({"control": "fixed", "fixed_probability": 0.25}, 4 + 24),
        ({"control": "shuffled", "sft_steps": 11}, 4 + 11),
        ({"control": "no_warmup"}, 50),
    ],
)
def test_expected_sft_steps(changes: dict[str, Any], expected: int) -> None:
    assert settings(**changes).plan(100).expected == expected


def test_sft_after_the_warmup_may_take_the_rate_of_rl() -> None:
    method = build(steps=40, warmup_steps=2, reference_steps=2, sft_schedule="rl", control="fixed")
    updates = [method.next_update(step, step / method.steps) for step in range(40)]
    assert [update.schedule or update.kind for update in updates[:2]] == ["sft", "sft"]
    assert {update.kind for update in updates[2:]} == {"sft", "rl"}
    assert {update.schedule for update in updates[2:]} == {"rl"}


def test_each_kind_may_have_its_own_moments() -> None:
    """The warm-up shares those of the SFT updates that follow."""
    method = build(steps=40, warmup_steps=2, control="fixed", moments="by_kind")
    updates = [method.next_update(step, step / 40) for step in range(40)]
    assert {update.kind for update in updates[2:]} == {"sft", "rl"}
    assert all(update.moments == update.kind for update in updates)
    shared = build(steps=40, warmup_steps=2, control="fixed")
    assert {shared.next_update(step, step / 40).moments for step in range(40)} == {"shared"}
