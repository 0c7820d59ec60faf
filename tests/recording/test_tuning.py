"""tuning.json: which trial is chosen, what all cost, and that it is read as it was written."""

from pathlib import Path

from hybrid_rl.recording import tuning
from hybrid_rl.recording.tuning import ArmTuning, TrialRecord


def test_the_best_trial_is_chosen_and_of_equal_ones_the_earliest() -> None:
    assert tuning.chosen_of([0.1, 0.4, 0.4, 0.2]) == 1
    assert tuning.chosen_of([0.3, 0.3]) == 0


def test_spending_is_added_by_axis() -> None:
    assert tuning.total([{"flops": 1.0, "generated_tokens": 2.0}, {"flops": 3.0}]) == {
        "flops": 4.0, "generated_tokens": 2.0
    }  # fmt: skip


def test_outcomes_are_read_as_they_were_written(tmp_path: Path) -> None:
    trial = TrialRecord(
        ["a.b=1"], {"a.b": 1}, {1000: 0.25, 1001: 0.0}, 0.125, {1001: "x"}, {"flops": 2.0}
    )
    arms = {"rl": ArmTuning([trial], 0, {"flops": 2.0}), "c": ArmTuning([trial], 0, {}, like="rl")}
    assert tuning.read(tmp_path) == {}
    tuning.write(tmp_path, arms)
    assert tuning.read(tmp_path) == arms
    assert arms["rl"].best == trial
