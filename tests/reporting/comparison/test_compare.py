"""The figures of a comparison, against the raw files and against numbers chosen by hand."""

import json
from pathlib import Path
from statistics import mean, median

import pytest

from hybrid_rl.recording.files import write_json
from hybrid_rl.reporting.comparison import arms
from hybrid_rl.reporting.comparison.arms import ComparisonError
from hybrid_rl.reporting.comparison.compare import Comparison, compare
from hybrid_rl.reporting.comparison.cost_curves import CostToTarget
from tests.fakes import recorded, studies

SOLUTIONS = "eval/after/hard.jsonl"


def _compared(*paths: Path, reference: str | None = None) -> Comparison:
    return compare(arms.read(paths, reference))


def test_the_figures_are_those_of_the_raw_files(tmp_path: Path) -> None:
    """Accuracies, differences, cost of the target: a second time, from the lines alone."""
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    found = _compared(tmp_path)

    def lines(arm: str, seed: int, file: str) -> list[dict]:
        text = (tmp_path / arm / f"seed_{seed}" / file).read_text()
        return [json.loads(line) for line in text.splitlines()]

    raw = {
        arm: [
            [row["greedy"]["outcome"] == "correct" for row in lines(arm, seed, SOLUTIONS)]
            for seed in range(3)
        ]
        for arm in ("grpo", "bread")
    }
    means = {arm: mean(mean(seed) for seed in table) for arm, table in raw.items()}
    figures = {figure.arm: figure for figure in found.on_sets[0].figures}
    assert {arm: f.value.value for arm, f in figures.items()} == pytest.approx(means)
    contrast = figures["bread"].contrast
    assert contrast is not None
    assert contrast.difference.value == pytest.approx(means["bread"] - means["grpo"])
    sampled = [
        s for seed in range(3) for row in lines("bread", seed, SOLUTIONS) for s in row["samples"]
    ]
    avg = next(o for o in found.on_sets if o.measure == "avg").figures[1]
    assert avg.value.value == pytest.approx(mean(s["outcome"] == "correct" for s in sampled))
    for axis in ("step", "generated_tokens", "flops"):
        first = [
            next(p[axis] for p in lines("bread", s, "eval/progress.jsonl") if p["greedy"] >= 0.5)
            for s in range(3)
        ]
        cost = found.costs[axis]["bread"]
        assert (cost.median.spent, cost.reached) == (median(first), 3)
        spent = lines("grpo", 0, "eval/progress.jsonl")[-1][axis]
        assert found.costs[axis]["grpo"].median.spent == spent
        assert not found.costs[axis]["grpo"].median.reached


def test_a_run_that_never_arrived_is_known_to_its_last_evaluation_and_no_further(
    tmp_path: Path,
) -> None:
    """12 steps were trained, dev was evaluated at 4 and 8."""
    studies.write_study(tmp_path, {"grpo": 0.3}, seeds=(0,))
    _keep(tmp_path / "grpo" / "seed_0", 2)
    assert _compared(tmp_path).costs["step"]["grpo"].median == CostToTarget(8, False)


def _keep(run: Path, evaluations: int) -> None:
    """As if it had ended after so many."""
    progress = run / "eval" / "progress.jsonl"
    progress.write_text("".join(progress.read_text().splitlines(keepends=True)[:evaluations]))


def test_an_arm_that_ends_early_cuts_short_no_area_but_its_own(tmp_path: Path) -> None:
    """Dev of bread: 0.2, 0.4, 0.5 at steps 4, 8, 12."""
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.5, "sft": 0.3}, seeds=(0,))
    _keep(tmp_path / "sft" / "seed_0", 2)
    areas = _compared(tmp_path).areas["step"]
    bread, sft = areas["bread"], areas["sft"]
    assert bread is not None
    assert sft is not None
    assert (bread.first, bread.last, sft.first, sft.last) == (4, 12, 4, 8)
    assert bread.own.value == pytest.approx((0.3 * 4 + 0.45 * 4) / 8)
    assert bread.reference.value == pytest.approx((0.06 * 4 + 0.09 * 4) / 8)
    assert (sft.own.value, sft.reference.value) == (pytest.approx(0.18), pytest.approx(0.06))


def test_unfinished_runs_are_named_and_left_out(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    unfinished = recorded.write_run(tmp_path / "bread" / "seed_3", 3, "bread", finished=False)
    definition = json.loads((tmp_path / "study.json").read_text())
    write_json(tmp_path / "study.json", {**definition, "seeds": [0, 1, 2, 3]})
    found = _compared(tmp_path)
    assert found.on_sets[0].figures[1].seeds == [0, 1, 2]
    assert found.notes == [
        f"{unfinished.path} has no evaluation after training (state: running) and is left out."
    ]


def test_a_run_of_an_older_version_is_compared_and_its_missing_labels_are_told(
    tmp_path: Path,
) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    told = _compared(tmp_path).notes
    recorded.RunDir(tmp_path / "bread" / "seed_1").notes.unlink()
    assert _compared(tmp_path).notes == [
        "What the method noted about its decisions is not shown in full of bread: runs of an older version have no"
        " notes.json, which says what the notes mean.",
        *told,
    ]


def test_other_data_and_other_spending_are_told(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    run = recorded.RunDir(tmp_path / "bread" / "seed_1")
    environment = json.loads(run.environment.read_text())
    environment["data"]["fingerprint"]["train"] = "0000"
    write_json(run.environment, environment)
    for seed in range(3):
        log = recorded.RunDir(tmp_path / "bread" / f"seed_{seed}")
        recorded.append_json(log.metrics, {**recorded.metrics(12, "rl"), "flops": 7.2e10})
    assert _compared(tmp_path).notes == [
        "The runs did not see the same data: the hashes of their questions in environment.json differ.",
        "The arms did not spend equally: bread spent 2.0 times as many FLOPs as grpo. Compare curves against this"
        " budget, or give all runs the same with budget.*.",
    ]


def test_curves_on_different_dev_questions_are_not_compared(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    assert _compared(tmp_path).costs
    for arm in ("grpo", "bread"):
        for seed in range(3):
            run = recorded.RunDir(tmp_path / arm / f"seed_{seed}")
            environment = json.loads(run.environment.read_text())
            environment["data"]["fingerprint"]["dev"] = arm
            write_json(run.environment, environment)
    found = _compared(tmp_path)
    assert (found.costs, found.areas) == ({}, {})
    assert found.notes[0] == (
        "The runs were evaluated on different dev questions during training, as the hashes in their environment.json"
        " show. Their curves cannot be compared; areas and the cost of a target on dev are left out."
    )


def test_runs_on_different_questions_are_not_compared(tmp_path: Path) -> None:
    first, second = recorded.write_run(tmp_path / "a", 0), recorded.write_run(tmp_path / "b", 1)
    recorded.write_evaluation(second, "after", "hard", recorded.AFTER[:3])
    with pytest.raises(ComparisonError) as caught:
        _compared(first.path, second.path)
    assert str(caught.value) == (
        f"The runs cannot be compared on hard: {second.path} was evaluated on 3 questions, of which 3 are among the 4"
        f" of {first.path}. Compare runs with the same data and the same eval.limit."
    )


def test_runs_without_an_evaluation_are_not_compared(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path / "a", finished=False)
    with pytest.raises(ComparisonError, match="none of 1 runs was evaluated after training"):
        _compared(run.path)
