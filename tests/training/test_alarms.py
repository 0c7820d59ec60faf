"""Alarms, from metrics lines written by hand."""

from typing import Any

import pytest

from hybrid_rl.config.guards import GuardSettings
from hybrid_rl.training.alarms import GuardError, Guards
from tests.fakes.presets import option

QUIET = {
    "truncated_rate": 0.0,
    "zero_advantage_groups": 0.0,
    "entropy": 1.0,
    "kl": 0.01,
    "grad_norm": 1.0,
}


def settings(**changed: dict[str, Any] | str | int) -> GuardSettings:
    """Those of conf/guards/warn.yaml; a changed section keeps its other values."""
    values = option("guards", "warn")
    for name, change in changed.items():
        values[name] = {**values[name], **change} if isinstance(change, dict) else change
    return GuardSettings.model_validate(values)


def rl(step: int, **values: float) -> dict[str, Any]:
    named = {key.replace("outcome_", "outcome/"): value for key, value in values.items()}
    return {"step": step, "kind": "rl", **QUIET, **named}


def began(guards: Guards, *lines: dict[str, Any]) -> list[tuple[int, str]]:
    return [(one.step, one.alarm) for line in lines for one in guards.check(line)]


def test_a_healthy_run_raises_no_alarm() -> None:
    assert began(Guards(settings()), *(rl(step) for step in range(1, 40))) == []


@pytest.mark.parametrize(
    ("alarm", "values", "after"),
    [
        ("truncated", {"truncated_rate": 1.0}, 3),
        ("zero_variance", {"zero_advantage_groups": 1.0}, 5),
        ("unparseable", {"outcome_unparseable": 0.6}, 3),
        ("timeouts", {"outcome_timeout": 0.2}, 1),
        ("entropy", {"entropy": 0.001}, 5),
        ("kl", {"kl": 1.5}, 3),
    ],
)
def test_an_alarm_begins_after_its_steps_in_a_row_and_once(
    alarm: str, values: dict[str, float], after: int
) -> None:
    guards = Guards(settings())
    lines = [rl(step, **values) for step in range(1, 9)]
    assert began(guards, *lines) == [(after, alarm)]
    assert guards.on == [alarm]


@pytest.mark.parametrize(("alarm", "after"), [("entropy", 5), ("kl", 3)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_beyond_any_threshold(
    alarm: str, after: int, value: float
) -> None:
    lines = [rl(step, **{alarm: value}) for step in range(1, 9)]
    assert began(Guards(settings()), *lines) == [(after, alarm)]


def test_a_norm_that_is_no_number_is_left_to_non_finite() -> None:
    lines = [rl(step) for step in range(1, 10)]
    assert began(Guards(settings()), *lines, rl(10, grad_norm=float("inf"))) == []


def test_an_alarm_that_ended_begins_anew() -> None:
    guards = Guards(settings(truncated={"steps": 2}))
    shares = [1.0, 1.0, 1.0, 0.5, 1.0, 1.0]
    lines = [rl(step, truncated_rate=share) for step, share in enumerate(shares, start=1)]
    assert began(guards, *lines) == [(2, "truncated"), (6, "truncated")]


def test_an_update_without_the_value_is_passed_over() -> None:
    guards = Guards(settings(truncated={"steps": 2}))
    sft = {"step": 2, "kind": "sft", "grad_norm": 1.0}
    full = [rl(1, truncated_rate=1.0), rl(3, truncated_rate=1.0)]
    assert began(guards, full[0], sft) == []
    assert guards.on == []
    assert began(guards, full[1]) == [(3, "truncated")]


def test_a_share_at_the_threshold_is_no_alarm() -> None:
    assert began(Guards(settings()), *(rl(s, truncated_rate=0.9) for s in range(1, 9))) == []


def test_a_norm_is_held_against_those_of_its_own_kind() -> None:
    guards = Guards(settings())
    usual = [rl(step, grad_norm=1.0) for step in range(1, 10)]
    supervised = [{"step": 10 + i, "kind": "sft", "grad_norm": 100.0} for i in range(9)]
    assert began(guards, *usual, *supervised) == []
    assert began(guards, rl(20, grad_norm=21.0)) == [(20, "grad_norm")]


def test_an_ignored_alarm_says_nothing() -> None:
    guards = Guards(GuardSettings.model_validate({**option("guards", "warn"), **_quiet()}))
    worst = {"truncated_rate": 1.0, "entropy": 0.0, "kl": 99.0, "zero_advantage_groups": 1.0}
    assert began(guards, *(rl(step, **worst) for step in range(1, 9))) == []


def _quiet() -> dict[str, Any]:
    warn = option("guards", "warn")
    quiet = {k: v for k, v in option("guards", "quiet").items() if isinstance(v, dict)}
    return {name: {**warn[name], **change} for name, change in quiet.items()}


def test_the_message_names_the_setting_the_value_and_what_to_do() -> None:
    guards = Guards(settings(truncated={"steps": 2, "action": "stop"}))
    guards.check(rl(1, truncated_rate=1.0))
    [alarm] = guards.check(rl(2, truncated_rate=0.96))
    assert alarm.stops
    assert alarm.message == (
        "guards.truncated.above = 0.9: at step 2, for 2 updates in a row, 96% of the trained completions were cut at"
        " the length limit; raise train.max_completion_tokens, or check that model.eos_tokens end a completion"
    )


def test_a_verifier_storm_says_how_much_slower_it_makes_a_step() -> None:
    guards = Guards(settings())
    for step in range(1, 4):
        guards.check(rl(step), seconds=0.5, verifier_seconds=0.1)
    [alarm] = guards.check(rl(4, outcome_timeout=1.0), seconds=50.0, verifier_seconds=49.6)
    assert alarm.message == (
        "guards.timeouts.above = 0.1: at step 4, 100% of the verifications ran out of time; the verifier took 49.6 of"
        " the 50.0 seconds of this step, which was 100 times slower than those before; mend the verifier, lower"
        " reward.timeout_seconds, or raise reward.workers"
    )


def test_the_disk_must_hold_the_next_checkpoint_and_some_more() -> None:
    guards = Guards(settings(disk={"spare_gb": 1.0}))
    assert guards.disk(20, free=3_000_000_000, checkpoint=2_000_000_000) == []
    [alarm] = guards.disk(40, free=2_900_000_000, checkpoint=2_000_000_000)
    assert alarm.message == (
        "guards.disk.spare_gb = 1: at step 40, 2.90 GB are free for the run directory, and the next checkpoint takes"
        " about 2.00 GB; free some, or lower train.keep_checkpoints in a new run"
    )
    assert guards.disk(60, free=0, checkpoint=2_000_000_000) == []  # said already
    assert guards.disk(80, free=9_000_000_000, checkpoint=2_000_000_000) == []
    assert len(guards.disk(100, free=0, checkpoint=0)) == 1


def test_skipped_updates_are_counted_in_a_row(tmp_path: Any) -> None:
    guards = Guards(settings(non_finite="skip", max_skips=2))
    for step in (1, 2):
        guards.skip(step, "the gradient norm is nan", tmp_path)
        guards.check({"step": step, "kind": "rl", "skipped": 1})
    with pytest.raises(GuardError, match=r"^guards.max_skips = 2: at step 3, after as many"):
        guards.skip(3, "the gradient norm is nan", tmp_path)
    guards.check(rl(4))
    guards.skip(5, "the gradient norm is nan", tmp_path)
    assert guards.skips == 1


def test_a_resumed_run_raises_what_the_straight_one_does() -> None:
    lines = [rl(s, truncated_rate=1.0, grad_norm=1.0 + s) for s in range(1, 12)]
    lines.append(rl(12, grad_norm=500.0))
    straight, first, second = (Guards(settings(truncated={"steps": 6})) for _ in range(3))
    expected = began(straight, *lines)
    found = began(first, *lines[:4])
    second.load_state_dict(first.state_dict())
    assert found + began(second, *lines[4:]) == expected == [(6, "truncated"), (12, "grad_norm")]
