"""The preparation of a study, as the pages of its comparison show it."""

import json
from pathlib import Path

from hybrid_rl.recording.files import write_json
from hybrid_rl.reporting.comparison import arms, html_page, markdown_page, preparation_table
from hybrid_rl.reporting.comparison.compare import compare
from tests.fakes import recorded, studies


def _prepared(path: Path) -> arms.Arms:
    """Two arms that were not evaluated before training, and the run that they started from."""
    studies.write_study(path, {"grpo": 0.1, "bread": 0.9}, seeds=(0, 1), questions=4)
    for arm in ("grpo", "bread"):
        for seed in (0, 1):
            before = recorded.RunDir(path / arm / f"seed_{seed}").evaluation("before")
            for file in before.iterdir():
                file.unlink()
    definition = json.loads((path / "study.json").read_text())
    write_json(path / "study.json", {**definition, "prepare": ["method=sft"]})
    run = recorded.write_run(path / "prepare", 0, "sft")
    recorded.write_evaluation(run, "after", "hard", recorded.AFTER)
    return arms.read([path])


def test_a_row_says_what_it_has_spent(tmp_path: Path) -> None:
    found = _prepared(tmp_path)
    [row] = preparation_table.rows(found.preparation)
    assert row[:2] == ["sft", "12"]
    assert len(row) == len(preparation_table.COLUMNS)
    text = markdown_page.markdown(compare(found))
    assert "## Preparation before the comparison" in text
    assert "| sft | 12 |" in text


def test_its_model_is_the_base_model_of_the_arms(tmp_path: Path) -> None:
    base = compare(_prepared(tmp_path)).primary.base
    greedy = [row.greedy.correct for row in recorded.AFTER]
    assert base is not None
    assert base.value == sum(greedy) / len(greedy)


def test_without_one_the_pages_have_no_word_of_it(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0, 1))
    found = compare(arms.read([tmp_path]))
    assert "## Preparation" not in markdown_page.markdown(found)
    assert "preparation" not in html_page._data(found)
