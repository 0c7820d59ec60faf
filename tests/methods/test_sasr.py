"""SASR: the formula, the draw, the two phases, the norms that count, the controls."""

import json
import math
import re
from typing import Any

import pytest
from pydantic import ValidationError

from hybrid_rl.errors import SettingsError
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
        "signal": "norm",
        "paired_run": None,
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
    longer.rescale_progress((10 / 100) / (10 / 20))
    updates = run(longer, range(10, 100), norm=1.0)
    assert {update.note["phase"] for update in updates} == {"hybrid"}
    assert longer.warmup_norm == 2.0
    assert positions(updates, range(10, 100), of=100) == pytest.approx(
        [(step - 4) / 96 for step in range(10, 100)]
    )


def decisions(kinds: str, warmup: int = 4) -> list[dict[str, Any]]:
    """The decision log of a run with so many warm-up updates and then these kinds, s or r."""
    hybrid = [("sft" if kind == "s" else "rl", "hybrid") for kind in kinds]
    lines = [("sft", "warmup")] * warmup + hybrid
    return [{"kind": kind, "note": {"phase": phase}} for kind, phase in lines]


def shuffled(kinds: str, steps: int = 100, seed: int = 0) -> Sasr:
    method = build(steps=steps, seed=seed, control="shuffled", paired_run="../sasr")
    method.observe_pair(decisions(kinds))
    return method


def test_a_resumed_shuffled_run_has_its_sequence_from_its_state() -> None:
    pair = "srrsrrrsrrsr"
    whole = run(shuffled(pair, steps=30), range(30), norm=1.0)
    method = shuffled(pair, steps=30)
    run(method, range(10), norm=1.0)
    # The pair is not heard of again; more steps leave the sequence, and what follows it, as they were.
    longer = prolonged(method, steps=40, control="shuffled", paired_run="../gone")
    assert [u.kind for u in run(longer, range(10, 30), 1.0)] == [u.kind for u in whole[10:]]


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


PAIR = "s" * 5 + "r" * 15  # all SFT first, as no shuffled order has it


def test_shuffled_control_has_the_kinds_of_its_pair_in_another_order() -> None:
    updates = run(shuffled(PAIR), range(24), norm=1e-6)
    kinds = [update.kind[0] for update in updates]
    assert kinds[:4] == ["s"] * 4
    assert sorted(kinds[4:]) == sorted(PAIR)
    assert kinds[4:] != list(PAIR)
    other = [update.kind[0] for update in run(shuffled(PAIR, seed=1), range(24), 1.0)]
    assert kinds != other
    assert {(update.note["p"], update.note["draw"]) for update in updates[4:]} == {(0.25, None)}


def test_past_the_end_of_its_pair_the_shuffled_control_draws_by_the_share_of_sft() -> None:
    updates = run(shuffled(PAIR, steps=1024), range(1024), norm=1e-6)[24:]
    assert {update.note["p"] for update in updates} == {0.25}
    assert updates[0].note["draw"] == sasr.draw(0, 24)
    share = sum(update.kind == "sft" for update in updates)
    assert abs(share - 250) < 3 * math.sqrt(1000 * 0.25 * 0.75)


def test_shuffled_control_names_its_pair_and_is_refused_without_one() -> None:
    chosen = settings(control="shuffled", paired_run="../sasr")
    assert chosen.paired_with == ("method.paired_run", "../sasr")
    assert settings(paired_run="../sasr").paired_with is None
    message = "control = shuffled needs paired_run, the run directory of a finished run of SASR"
    with pytest.raises(ValidationError, match=re.escape(message)):
        settings(control="shuffled")


def test_a_pair_that_ended_in_its_warmup_is_refused() -> None:
    with pytest.raises(SettingsError) as raised:
        shuffled("")
    assert str(raised.value) == (
        "method.paired_run = ../sasr: the run has no step after its warm-up to shuffle; give a longer one"
    )


def test_shuffled_control_does_not_go_on_without_its_pair() -> None:
    method = build(control="shuffled", paired_run="../sasr")
    with pytest.raises(ValueError, match="was not told of its pair"):
        warm_up(method, [1.0] * 4)


def test_joint_ratio_is_the_sum_of_both() -> None:
    assert sasr.joint_ratio(2.0, 4.0, 1.5) == pytest.approx(0.5 + 1.5)
    assert sasr.joint_ratio(2.0, 4.0, None) == 0.5
    assert sasr.joint_ratio(None, None, 1.5) == pytest.approx(1 + 1.5)


def test_drift_is_the_root_of_the_divergence_at_its_scale() -> None:
    assert sasr.drift(0.09, 0.04) == pytest.approx(1.5)
    assert sasr.drift(0.0, 0.04) == 0
    assert sasr.drift(0.09, None) is None


def drifted(signal: str, divergence: float, **changes: Any) -> Sasr:
    """After a warm-up with norms at their scale, which took the policy 0.04 away, and a measurement of `divergence`."""
    if signal == "divergence":
        changes = {"probe_every": 5, **changes}
    method = build(gamma=3.0, signal=signal, **changes)
    for step, found in enumerate([0.0, 0.01, 0.03, 0.05]):
        update = method.next_update(step, step / 100)
        assert (update.kind, update.measures) == ("sft", signal)
        method.observe_divergence(step, update, found)
        method.observe_norm(step, update, 2.0)
    method.next_update(4, 4 / 100)  # the warm-up is over once another step is asked for
    method.observe_divergence(4, Update("sft", measures=signal), divergence)
    method.observe_norm(4, Update("sft", measures=signal), 2.0)
    return method


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (
            "divergence",
            [0.0, 1 / 7, 1 / 4, 1 / 2],
        ),  # r = sqrt(D / 0.04) = 0, 0.5, 1, 3; p = r / (r + 3)
        ("both", [1 / 4, 1 / 3, 2 / 5, 4 / 7]),  # r = 1 + as above
        ("norm", [1 / 4] * 4),
    ],
)
def test_drift_from_the_warmup_model_raises_the_probability(
    signal: str, expected: list[float]
) -> None:
    found = []
    for divergence in (0.0, 0.01, 0.04, 0.36):
        if signal == "norm":
            method = build(gamma=3.0)
            warm_up(method, [2.0] * 4)
        else:
            method = drifted(signal, divergence)
        found.append(method.next_update(5, 5 / 100).note["p"])
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_note_tells_of_the_divergence_and_its_scale() -> None:
    note = drifted("both", 0.02).next_update(5, 5 / 100).note
    assert (note["d_last"], note["d_scale"]) == (0.02, pytest.approx((0.03 + 0.05) / 2))
    plain = build()
    warm_up(plain, [1.0] * 4)
    assert not {"d_last", "d_scale"} & set(plain.next_update(4, 4 / 100).note)


def test_right_after_the_warmup_the_divergence_is_zero_and_the_probability_too() -> None:
    method = build(signal="divergence", probe_every=2)
    for step, found in enumerate([0.0, 0.1, 0.2, 0.3]):
        method.observe_divergence(step, method.next_update(step, step / 100), found)
        method.observe_norm(step, method.next_update(step, step / 100), 1.0)
    update = method.next_update(4, 4 / 100)
    assert (update.kind, update.note["p"], update.renew_reference) == ("rl", 0.0, True)
    assert update.measures == "norm"


def test_a_divergence_moves_its_average_and_a_useless_one_does_not() -> None:
    method = drifted("both", 0.02, smoothing=0.5)
    assert method.last_divergence == 0.01
    for useless in (NAN, INFINITY):
        method.observe_divergence(5, Update("sft", measures="both"), useless)
    assert method.last_divergence == 0.01
    assert method.warmup_divergences == [0.03, 0.05]


def test_without_warmup_the_first_drift_is_the_scale() -> None:
    method = build(gamma=3.0, signal="divergence", probe_every=5, control="no_warmup")
    for step, found in enumerate([0.0, 0.2, 0.05]):
        assert method.next_update(step, step / 100).note["p"] == [0.25, 0.25, 0.25][step]
        method.observe_divergence(step, Update("sft", measures="divergence"), found)
    assert method.next_update(3, 3 / 100).note["p"] == pytest.approx(0.5 / (0.5 + 3))


def test_a_probe_of_the_divergence_is_told_and_takes_no_norm() -> None:
    method = drifted("divergence", 0.0, steps=30)
    probe = method.next_update(10, 10 / 100)
    assert (probe.measure_only, probe.measures) == (True, "divergence")
    method.observe_divergence(10, probe, 0.36)
    update = method.next_update(10, 10 / 100)
    assert (update.measure_only, update.note["p"]) == (False, 0.5)
    assert (update.note["probe_divergence"], "probe" in update.note) == (0.36, False)
    assert not method.next_update(14, 14 / 100).measure_only
    assert method.next_update(15, 15 / 100).measure_only


def test_a_probe_of_both_leaves_both_in_the_note() -> None:
    method = drifted("both", 0.0, steps=30, probe_every=3)
    probe = method.next_update(8, 8 / 100)
    method.observe_divergence(8, probe, 0.04)
    method.observe_norm(8, probe, 1.0)
    note = method.next_update(8, 8 / 100).note
    assert (note["probe_divergence"], note["probe"]) == (0.04, 1.0)
    assert note["p"] == pytest.approx(1.5 / 4.5)


def test_divergence_without_probes_is_refused() -> None:
    message = "signal = divergence needs probe_every, e.g. 5: p is 0 right after the warm-up"
    with pytest.raises(ValidationError, match=re.escape(message)):
        settings(signal="divergence")


@pytest.mark.parametrize(
    ("changes", "measures", "deepspeed"),
    [
        ({}, "norm", True),
        ({"probe_every": 2}, "norm", False),
        ({"signal": "both"}, "both", True),
        ({"signal": "both", "probe_every": 2}, "both", False),
        ({"signal": "divergence", "probe_every": 2}, "divergence", True),
        ({"signal": "divergence", "control": "fixed"}, "norm", True),
        ({"signal": "both", "control": "no_warmup"}, "both", True),
    ],
)
def test_what_a_signal_needs(changes: dict[str, Any], measures: str, deepspeed: bool) -> None:
    chosen = settings(**changes)
    signal = chosen.signal
    wanted = None if measures == "norm" else (f"method.signal = {signal}", "method.signal=norm")
    assert (chosen.measures, chosen.needs_reference) == (measures, wanted)
    assert (chosen.beyond_deepspeed is None) is deepspeed


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
        ({"control": "shuffled", "paired_run": "../sasr"}, 4 + 48),
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
