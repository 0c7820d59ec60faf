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


def outcome(values: list[dict[str, object]], chosen: int) -> ArmTuning:
    trials = [TrialRecord([], one, {0: 0.5}, 0.5, {}, {}) for one in values]  # type: ignore[arg-type]  # Json
    return ArmTuning(trials, chosen, {})


def test_a_chosen_number_is_at_the_edge_where_none_beyond_it_was_tried() -> None:
    rates = [4e-4, 2e-4, 1e-4]
    values: list[dict[str, object]] = [
        {"rate": rate, "gamma": gamma, "moments": word, "low": low, "on": on}
        for rate, gamma, word, low, on in zip(
            rates, [1, 3, 3], ["a", "b", "c"], [None, 0.25, 0.5], [True, False, True], strict=True
        )
    ]
    assert outcome(values, 2).edges() == {
        "rate": "lowest"
    }  # two gammas, words, two numbers beside null, two truths
    assert outcome(values, 0).edges() == {"rate": "highest"}
    assert outcome(values, 1).edges() == {}
    assert outcome(values[:2], 1).edges() == {}
