"""What a comparison says where solutions were cut at the length limit."""

import json
from pathlib import Path

from hybrid_rl.recording.files import write_text
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting.comparison import arms, html_page, markdown_page
from hybrid_rl.reporting.comparison.compare import Comparison, compare
from tests.fakes import recorded, studies


def _study(path: Path, cut: int, credit: bool = False, own_limit: int | None = None) -> Comparison:
    """Of bread's 10 greedy solutions `cut` were cut, and no RL step of it had a signal."""
    studies.write_study(path, {"grpo": 0.0, "bread": 0.0}, seeds=(0, 1), questions=10)
    for seed in (0, 1):
        run = RunDir(path / "bread" / f"seed_{seed}")
        solutions = recorded.rows(["truncated"] * cut + ["wrong"] * (10 - cut), [[]] * 10)
        recorded.write_evaluation(run, "after", "hard", solutions)
        studies.change_settings(run, "train", max_completion_tokens=48)
        studies.change_settings(run, "eval", max_completion_tokens=own_limit)
        studies.change_settings(run, "reward", credit_truncated=credit)
        _change_rl_steps(run, zero_advantage_groups=1.0)
    return compare(arms.read([path]))


def _change_rl_steps(run: RunDir, **values: float) -> None:
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    changed = [{**line, **values} if line["kind"] == "rl" else line for line in lines]
    write_text(run.metrics, "".join(f"{json.dumps(line)}\n" for line in changed))


def _starved(better: str) -> str:
    return (
        "bread starved: 16 of its 16 RL steps had no signal, since in each of their groups all rewards were equal. What"
        f" it shows is little of what its method could do with {better}."
    )


def test_where_most_solutions_were_cut_that_is_told_first_and_no_question_is_blamed(
    tmp_path: Path,
) -> None:
    assert _study(tmp_path, 8).notes[:2] == [
        "bread: 80 % of its solutions were cut at 48 tokens (train.max_completion_tokens), and a cut solution counts as"
        " wrong (reward.credit_truncated=false). Raise the limit, or teach the model to stop.",
        _starved("solutions that are not cut"),
    ]


def test_where_half_of_the_solutions_were_cut_nothing_is_told_of_it(tmp_path: Path) -> None:
    assert _study(tmp_path, 5).notes[0] == _starved("easier questions")


def test_the_limit_of_the_evaluation_and_the_credit_of_cut_solutions_are_told_as_they_are(
    tmp_path: Path,
) -> None:
    assert _study(tmp_path, 10, credit=True, own_limit=1200).notes[0] == (
        "bread: 100 % of its solutions were cut at 1,200 tokens (eval.max_completion_tokens). Raise the limit, or teach"
        " the model to stop."
    )


def test_rollouts_count_where_few_solutions_of_the_evaluation_were_cut(tmp_path: Path) -> None:
    """The other arm's rollouts are cut at a rate of 1/5 to 1/12."""
    _study(tmp_path, 1, own_limit=1200)
    for seed in (0, 1):
        run = RunDir(tmp_path / "bread" / f"seed_{seed}")
        _change_rl_steps(run, truncated_rate=0.75 + 0.1 * seed)
    assert compare(arms.read([tmp_path])).notes[:2] == [
        "bread: 80 % of its rollouts were cut at 48 tokens (train.max_completion_tokens), and a cut solution counts as"
        " wrong (reward.credit_truncated=false). Raise the limit, or teach the model to stop.",
        _starved("solutions that are not cut"),
    ]


def test_the_tables_of_accuracies_show_the_share_that_was_cut_where_it_is_worth_it(
    tmp_path: Path,
) -> None:
    found = _study(tmp_path / "cut", 8)
    text = markdown_page.markdown(found)
    assert "| arm | seeds | greedy | cut | difference from grpo |" in text
    assert "| grpo | 0 1 | 0.000 [0.000, 0.278] | 0 % | - |" in text
    assert "| bread | 0 1 | 0.000 [0.000, 0.278] | 80 % | 0.000 [" in text
    assert "| arm | seeds | greedy | cut |\n" in text
    page = html_page.render(found, 0)
    assert '"cut": "80 %"' in page
    few = _study(tmp_path / "whole", 0)
    assert "| cut |" not in markdown_page.markdown(few)
    assert '"cut": "0 %"' not in html_page.render(few, 0)
