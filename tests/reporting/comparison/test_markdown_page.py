"""The Markdown page: its tables, and what it leaves out."""

from pathlib import Path

from hybrid_rl.reporting.comparison import arms, markdown_page
from hybrid_rl.reporting.comparison.compare import Comparison, compare
from tests.fakes import recorded, studies


def _compared(path: Path) -> Comparison:
    return compare(arms.read([path]))


def test_where_curves_have_no_range_in_common_the_report_says_so(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.5, "sft": 0.3}, seeds=(0,))
    progress = recorded.RunDir(tmp_path / "sft" / "seed_0").progress
    progress.write_text(
        progress.read_text().splitlines(keepends=True)[0]
    )  # one evaluation, at step 4
    found = _compared(tmp_path)
    assert found.areas["step"]["sft"] is None
    text = markdown_page.markdown(found)
    assert "| optimizer steps | 0.375 against 0.075, 4 to 12 | no range in common |" in text


def test_the_checkpoint_best_on_dev_is_shown_where_it_was_evaluated(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.0, "bread": 0.0}, seeds=(0, 1), questions=4)
    for arm in ("grpo", "bread"):
        for seed in (0, 1):
            run = recorded.RunDir(tmp_path / arm / f"seed_{seed}")
            recorded.write_evaluation(run, "best", "hard", recorded.AFTER)
    text = markdown_page.markdown(_compared(tmp_path))
    assert "## Primary outcome: greedy on hard, 4 questions, after training" in text
    assert "## hard: 4 questions, the checkpoint that was best on dev (exploratory)" in text
    assert "| bread | 0 1 | 0.750 [0.000, 1.000] |" in text


def test_the_markdown_twin_has_costs_traces_levels_and_settings(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.3, "bread": 0.7})
    text = markdown_page.markdown(_compared(tmp_path))
    assert "| grpo | 0 of 3 | >12 [>12, >12] | >18 [>18, >18] |" in text
    assert "| bread | 3 of 3 | 8 [8, 8] | 12 [12, 12] |" in text
    assert "| 16 of 64 (25%) |" in text
    assert "## hard: greedy accuracy by difficulty level" in text
    assert "| method.name | grpo | bread |" in text


def test_without_a_target_there_is_no_cost_of_one(tmp_path: Path) -> None:
    recorded.write_run(tmp_path / "a", 0, "grpo")
    text = markdown_page.markdown(_compared(tmp_path))
    assert "## Cost of reaching" not in text
    assert "## What a run spent, as a mean over the runs of an arm" in text
    assert "## Settings in which arms differ" not in text
