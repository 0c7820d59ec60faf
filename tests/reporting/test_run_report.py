"""The report and the comparison of runs that were written by hand."""

import json
from pathlib import Path

import pytest

from hybrid_rl.recording.files import append_json, write_json
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting import run_report
from hybrid_rl.reporting.record import RunRecord
from tests.fakes import recorded, studies
from tests.fakes.places import GOLDEN


def png_size(path: Path) -> tuple[int, int]:
    """Pixels, from the header."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


def test_the_report_of_a_finished_run(tmp_path: Path) -> None:
    """Worked by hand: 0 -> 3 of 4 greedy, 1 -> 5 of 8 samples, 1 of 12 solutions truncated, unparseable, timed out."""
    recorded.write_run(tmp_path)
    assert run_report.write(tmp_path) == tmp_path / "report.md"
    assert (tmp_path / "report.md").read_text() == (GOLDEN / "report.md").read_text()


@pytest.mark.parametrize(
    ("verifier", "shown"), [("exact", "exact"), ("my_own.verify", "exact, graded by my_own.verify")]
)
def test_the_verifier_that_grades_is_named_if_it_is_not_that_of_the_file(
    tmp_path: Path, verifier: str, shown: str
) -> None:
    run = recorded.write_run(tmp_path)
    studies.change_settings(run, "reward", verifier=verifier)
    assert f"| reward | {shown} |\n" in run_report.write(tmp_path).read_text()


def test_how_far_each_kind_moved_the_weights(tmp_path: Path) -> None:
    """4 SFT steps of 0.5 each; RL steps 5 to 11 of 0.02 a step, and step 12 of 0: 0.02 * 56 / 8 = 0.14."""
    recorded.write_run(tmp_path)
    assert (
        "## How far the weights moved\n\n"
        "| updates | number | zero gradient | update norm, mean | update norm, largest |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| SFT | 4 | 0 | 0.5 | 0.5 |\n"
        "| RL | 8 | 1 | 0.14 | 0.22 |\n"
    ) in run_report.write(tmp_path).read_text()


def test_steps_without_signal_are_counted(tmp_path: Path) -> None:
    """Of 8 RL steps and 3 that join them, 2 have groups of equal rewards only; one took other questions before."""
    run = recorded.write_run(tmp_path)
    for step, share in ((13, 1.0), (14, 0.5), (15, 1.0)):
        more = {"zero_advantage_groups": share, "refills": 3 if step == 15 else 0}
        append_json(run.metrics, {**recorded.metrics(step, "rl"), **more})
    assert (
        "2 of 11 RL steps had no signal: in each of their groups all rewards were equal. Other questions were taken 3"
        " times (guards.refill).\n"
    ) in run_report.write(tmp_path).read_text()


def test_alarms_are_told_with_how_long_they_were_on(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path)
    for step in (13, 14):
        append_json(run.metrics, {**recorded.metrics(step, "rl"), "alarm/kl": 1})
    append_json(run.metrics, {**recorded.metrics(15, "rl"), "skipped": 1})
    for step, alarm in ((13, "kl"), (15, "non_finite"), (15, "disk")):
        append_json(run.alarms, {"step": step, "alarm": alarm, "message": f"{alarm} | words"})
    text = run_report.write(tmp_path).read_text()
    assert (
        "## Alarms\n\n"
        "| alarm | updates with it | first at step | first message |\n"
        "| --- | --- | --- | --- |\n"
        "| kl | 2 | 13 | kl \\| words |\n"
        "| non_finite | 1 | 15 | non_finite \\| words |\n"
        "| disk | 1 | 15 | disk \\| words |\n\n"
        "## Result"
    ) in text


def test_every_picture_in_the_report_is_there_and_large_enough_to_read(tmp_path: Path) -> None:
    recorded.write_run(tmp_path)
    text = run_report.write(tmp_path).read_text()
    pictures = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert pictures == ["dev.png", "length.png", "training.png"]
    for name in pictures:
        assert f"(plots/{name})" in text
        width, height = png_size(tmp_path / "plots" / name)
        assert width >= 900
        assert height >= 400


def test_a_run_that_has_not_ended_says_so(tmp_path: Path) -> None:
    recorded.write_run(tmp_path, finished=False)
    text = run_report.write(tmp_path).read_text()
    assert (
        "**This run had not ended when this report was written**: it had done 7 of 12 optimizer steps."
        in text
    )
    assert "Nothing has been evaluated yet." in text
    assert "| optimizer steps | 7 (4 SFT + 3 RL) |" in text
    assert not (tmp_path / "plots" / "dev.png").exists()


def test_a_run_without_sets_to_evaluate_has_ended_too(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path, finished=False)
    settings = json.loads(run.settings.read_text())
    settings["train"]["steps"] = 7
    run.settings.write_text(json.dumps(settings))
    text = run_report.write(tmp_path).read_text()
    assert "This run trained for 7 of 7 optimizer steps. No set of questions was evaluated." in text


def test_a_budget_that_ended_a_run_is_named(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path)
    settings = json.loads(run.settings.read_text())
    settings["budget"] = {"generated_tokens": 8000, "flops": None}
    settings["train"]["steps"] = 40
    run.settings.write_text(json.dumps(settings))
    assert (
        "This run trained for 12 of 40 optimizer steps, until budget.generated_tokens = 8,000 was used up, and was then"
        " evaluated."
    ) in run_report.write(tmp_path).read_text()


def test_a_run_that_stopped_early_says_so(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path)
    settings = json.loads(run.settings.read_text())
    settings["train"] |= {"steps": 40, "patience": 2}
    run.settings.write_text(json.dumps(settings))
    lines = [{"step": step, "greedy": 0.25, "low": 0.1, "high": 0.4} for step in (4, 8, 12)]
    run.progress.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert (
        "This run trained for 12 of 40 optimizer steps, and stopped early: no accuracy on dev above 0.250, that of step"
        " 4, in 2 looks (train.patience = 2). It was then evaluated."
    ) in run_report.write(tmp_path).read_text()


def test_an_evaluation_alone_is_no_training(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path)
    settings = json.loads(run.settings.read_text())
    run.settings.write_text(json.dumps({**settings, "task": "evaluate"}))
    run.metrics.unlink()
    text = run_report.write(tmp_path).read_text()
    assert "This run evaluated a model and trained nothing." in text
    assert "Test questions played no part in training." not in text


def test_a_run_that_failed_says_why(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path, finished=False)
    run.write_status("failed", error="RuntimeError: loss is NaN")
    text = run_report.write(tmp_path).read_text()
    assert (
        "**This run failed after 7 of 12 optimizer steps**: RuntimeError: loss is NaN."
        " This report shows what it wrote before." in text
    )


def test_a_run_that_did_nothing_yet_has_a_report(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path, finished=False)
    run.metrics.unlink()
    run.environment.unlink()
    run.status.unlink()
    text = run_report.write(tmp_path).read_text()
    assert "it had done 0 of 12 optimizer steps" in text
    assert "## What it cost" not in text
    assert "## Curves" not in text


def test_a_run_of_sft_alone_draws_its_loss_only(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path)
    run.metrics.write_text("".join(f"{json.dumps(recorded.metrics(s, 'sft'))}\n" for s in (1, 2)))
    run_report.write(tmp_path)
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"dev.png", "training.png"}


def test_no_directory_of_a_run_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"is not a run directory: it has no settings\.json"
    ):
        run_report.write(tmp_path)


def change(path: Path, wrong_before: int, wrong_after: int, of: int = 64) -> str:
    """What the report says of a run in which the first questions were wrong and the rest correct."""
    run = recorded.write_run(path, finished=False)
    for moment, wrong in (("before", wrong_before), ("after", wrong_after)):
        greedy = ["wrong"] * wrong + ["correct"] * (of - wrong)
        recorded.write_evaluation(run, moment, "hard", recorded.rows(greedy, [[]] * of))  # type: ignore[arg-type]  # literals
    record = RunRecord.read(path)
    return next(run_report._changes_in_words(record, "hard", record.after["hard"]))


@pytest.mark.parametrize(
    ("before", "after", "end"),
    [
        (60, 10, ": **better**."),
        (10, 60, ": **worse**."),
        (30, 26, "**No conclusion**: chance alone makes so large a change with probability 0.12."),
        (
            30,
            20,
            ": **better**. The two intervals overlap, but the change is clear question by question.",
        ),
        (30, 30, "**No conclusion**: chance alone makes so large a change with probability 1.00."),
    ],
)
def test_a_change_is_told_in_plain_words(tmp_path: Path, before: int, after: int, end: str) -> None:
    assert change(tmp_path, before, after).endswith(end)


def test_without_saved_solutions_overlapping_intervals_conclude_nothing(tmp_path: Path) -> None:
    change(tmp_path, 30, 20)
    (tmp_path / "eval" / "before" / "hard.jsonl").unlink()
    record = RunRecord.read(tmp_path)
    found = next(run_report._changes_in_words(record, "hard", record.after["hard"]))
    assert found == (
        "The greedy accuracy went from 0.531 [0.411, 0.648] to 0.688 [0.566, 0.788]."
        " **No conclusion**: the two intervals overlap."
    )


def test_without_an_evaluation_before_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path, finished=False)
    recorded.write_evaluation(run, "after", "hard", recorded.AFTER)
    assert (
        "The greedy accuracy is 0.750 [0.301, 0.954]. There was no evaluation before training"
        in run_report.write(tmp_path).read_text()
    )


def test_the_report_of_an_evaluation_speaks_of_no_training(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_json(run.settings, {"task": "evaluate", "name": "evaluate-tiny-sums"})
    recorded.write_evaluation(run, "after", "hard", recorded.AFTER)
    text = run_report.write(tmp_path).read_text()
    assert text.startswith(
        "# evaluate-tiny-sums\n\nThis run evaluated a model and trained nothing.\n"
    )
    assert "| hard | 4 | as it is | 0.750 [" in text
    assert "| set | level | questions | greedy | sampled (avg@k) |" in text
    told = text.partition("## Words")[0].partition("trained nothing.")[2]
    for word in ("before training", "after training", "through training", "played no part"):
        assert word not in told, word


def test_without_a_test_set_the_report_says_that_dev_stands_in(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_json(run.settings, {"task": "train", "name": "words", "train": {"steps": 1}})
    append_json(run.metrics, recorded.metrics(1, "rl"))
    recorded.write_evaluation(run, "after", "dev", recorded.AFTER)
    text = run_report.write(tmp_path).read_text()
    assert "There is no test set: dev is evaluated in its place." in text
    assert "Test questions" not in text
    recorded.write_evaluation(run, "best", "dev", recorded.AFTER)
    text = run_report.write(tmp_path).read_text()
    assert "the questions that chose the checkpoint also judge it, which flatters." in text


def test_where_only_dev_was_looked_at_the_result_is_its_curve(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_json(run.settings, {"task": "train", "name": "words", "train": {"steps": 4}})
    for step, greedy in ((0, 0.125), (2, 0.5), (4, 0.25)):
        append_json(run.progress, {"step": step, "greedy": greedy})
    assert (
        "## Result\n\nThe greedy accuracy on dev was 0.250 after step 4, from 0.125 before training; at its highest it"
        " was 0.500, after step 2. No set was evaluated by itself before or after training.\n"
    ) in run_report.write(tmp_path).read_text()
