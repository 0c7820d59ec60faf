"""The tuning of a study, as the pages of its comparison show it."""

from dataclasses import replace
from pathlib import Path

from hybrid_rl.reporting.comparison import arms, markdown_page, tuning_table
from hybrid_rl.reporting.comparison.compare import compare
from tests.fakes import studies
from tests.fakes.tunings import RATE, write_tuning


def test_a_row_says_what_was_chosen_how_well_it_did_and_what_all_trials_cost(
    tmp_path: Path,
) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0, 1))
    write_tuning(tmp_path, "bread", "grpo")
    found = arms.read([tmp_path])
    assert tuning_table.rows(found.tuning) == [
        ["bread", "train.rl.learning_rate=0.0008", "1", "0.250", "0.150", "2 x 2", "4 T"],
        ["grpo", "train.rl.learning_rate=0.0008", "1", "0.250", "0.150", "2 x 2", "as bread"],
    ]
    text = markdown_page.markdown(compare(found))
    assert "## Tuning before the comparison" in text
    assert "| bread | train.rl.learning_rate=0.0008 | 1 | 0.250 | 0.150 | 2 x 2 | 4 T |" in text


def test_a_value_at_the_edge_of_those_tried_is_marked(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0, 1))
    write_tuning(tmp_path, "bread", "grpo")
    found = arms.read([tmp_path]).tuning["bread"]
    third = replace(found.trials[0], settings={RATE: 2e-4}, mean=0.1)
    wider = {"bread": replace(found, trials=[*found.trials, third])}
    assert tuning_table.rows(wider)[0][1] == f"{RATE}=0.0008 (highest tried)"


def test_without_a_tuning_the_page_has_no_word_of_it(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0, 1))
    found = arms.read([tmp_path])
    assert tuning_table.rows(found.tuning) == []
    assert "## Tuning" not in markdown_page.markdown(compare(found))
