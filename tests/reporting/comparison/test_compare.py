"""The figures of a comparison, against the raw files and against numbers chosen by hand."""

import json
from pathlib import Path
from statistics import mean, median

import pytest

from hybrid_rl.config.study import PrimarySettings
from hybrid_rl.evaluation import statistics
from hybrid_rl.recording.files import write_json
from hybrid_rl.reporting.comparison import arms, simultaneous
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
    figures = {figure.arm: figure for figure in found.primary.figures}
    assert {arm: f.value.value for arm, f in figures.items()} == pytest.approx(means)
    contrast = figures["bread"].contrast
    assert contrast is not None
    assert contrast.difference.value == pytest.approx(means["bread"] - means["grpo"])
    sampled = [
        s for seed in range(3) for row in lines("bread", seed, SOLUTIONS) for s in row["samples"]
    ]
    avg = next(o for o in found.outcomes if o.about.measure == "avg").figures[1]
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


def test_the_base_model_is_measured_once_however_many_runs_evaluated_it(tmp_path: Path) -> None:
    """It solves 1 of 40 questions greedily, and one sample of two of another."""
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    found = {one.about.measure: one.base for one in _compared(tmp_path).outcomes}
    assert found["greedy"] == statistics.wilson(1, 40)
    assert found["avg"] == statistics.bootstrap_mean([0.0, 0.5, *[0.0] * 38])
    assert found["pass"] == statistics.bootstrap_mean([0.0, 1.0, *[0.0] * 38])


def test_runs_that_began_from_other_models_have_no_base_model(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    run = recorded.RunDir(tmp_path / "bread" / "seed_1")
    studies.change_settings(run, "model", path="other")
    assert [one.base for one in _compared(tmp_path).outcomes] == [None] * 4


def test_a_base_model_on_other_questions_or_samples_is_left_out(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7}, seeds=(0,), questions=4)
    runs = [recorded.RunDir(tmp_path / arm / "seed_0") for arm in ("grpo", "bread")]
    for run in runs:
        recorded.write_evaluation(run, "before", "hard", recorded.rows(["wrong"] * 4, [[]] * 4))
    found = {one.about.measure: one.base for one in _compared(tmp_path).outcomes}
    assert found == {"greedy": statistics.wilson(0, 4), "avg": None, "maj": None, "pass": None}
    recorded.write_evaluation(runs[0], "before", "hard", recorded.BEFORE[:3])
    assert _compared(tmp_path).primary.base is None


def test_one_outcome_is_corrected_for_all_arms_and_the_others_are_not(tmp_path: Path) -> None:
    arms_made = {"grpo": 0.4, "bread": 0.6, "relift": 0.55, "sft": 0.35}
    studies.write_study(tmp_path, arms_made)
    found = _compared(tmp_path)
    assert [one.about.measure for one in found.outcomes if one.about.primary] == ["greedy"]
    contrasts = [f.contrast for f in found.primary.figures if f.contrast is not None]
    expected = simultaneous.together(contrasts)
    assert [f.together for f in found.primary.figures] == [None, *expected]
    assert min(one.p for one in expected) == pytest.approx(3 * min(one.p for one in contrasts))
    for one in found.outcomes[1:]:
        assert [f.together for f in one.figures] == [None] * 4
        assert not any(f.decided for f in one.figures)


def test_the_study_names_the_primary_outcome_and_the_command_line_another(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    definition = json.loads((tmp_path / "study.json").read_text())
    named = {"set": "hard", "measure": "avg"}
    write_json(tmp_path / "study.json", {**definition, "primary": named})
    assert _compared(tmp_path).primary.about.measure == "avg"
    typed = compare(arms.read([tmp_path], primary=PrimarySettings(set="hard", measure="pass")))
    assert typed.primary.about.measure == "pass"


def test_a_primary_outcome_that_was_not_measured_is_refused(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    with pytest.raises(ComparisonError) as caught:
        compare(arms.read([tmp_path], primary=PrimarySettings(set="easy", measure="avg")))
    assert str(caught.value) == (
        "The primary outcome is avg on easy, which not all runs were evaluated by. Choose with --primary from"
        " hard:greedy, hard:avg, hard:maj, hard:pass."
    )


def test_arms_that_share_no_seed_are_compared_and_repeated_seeds_count_once(tmp_path: Path) -> None:
    """Seeds are not paired; of two runs with one seed the last one counts."""
    for index, (arm, seed) in enumerate([("grpo", 0), ("grpo", 1), ("bread", 5), ("bread", 5)]):
        run = recorded.write_run(tmp_path / str(index), seed, arm)
        right = recorded.BEFORE if index == 3 else recorded.AFTER
        recorded.write_evaluation(run, "after", "hard", right)
    found = _compared(tmp_path)
    contrast = found.primary.figures[1].contrast
    assert contrast is not None
    assert (contrast.seeds, contrast.difference.value) == (1, -0.75)
    assert (
        "bread has several runs with the same seed (5 5). They are not independent, and only the last run of a seed"
        " counts in differences."
    ) in found.notes


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
    assert found.primary.figures[1].seeds == [0, 1, 2]
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


def test_an_arm_that_mostly_had_no_signal_is_said_to_have_starved(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7}, seeds=(0, 1))
    for seed in (0, 1):
        run = recorded.RunDir(tmp_path / "grpo" / f"seed_{seed}")
        lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
        silent = [{**line, "zero_advantage_groups": float(line["step"] > 7)} for line in lines]
        run.metrics.write_text("".join(f"{json.dumps(line)}\n" for line in silent))
    [note] = [note for note in _compared(tmp_path).notes if "starved" in note]
    assert note.startswith("grpo starved: 10 of its 16 RL steps had no signal, since")
