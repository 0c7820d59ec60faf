"""The short table and the picture for a README."""

import json
from pathlib import Path

import pytest

from hybrid_rl.reporting.comparison import arms, command, summary
from hybrid_rl.reporting.comparison.compare import compare
from tests.fakes import studies
from tests.fakes.tunings import write_tuning

COLUMNS = "| arm | seeds | hard: greedy | hard: avg@2 |"
SPENT = "optimizer steps | generated tokens | distinct expert traces used |"


def table(study: Path) -> list[str]:
    return summary.summary(compare(arms.read([study])))


def test_a_row_has_accuracies_the_cost_of_the_target_and_that_of_the_tuning(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.0, "bread": 1.0, "sft": 0.0}, target=0.7)
    write_tuning(tmp_path, "bread", "sft")
    head, _, base, grpo, bread, sft = table(tmp_path)
    assert head == f"{COLUMNS} seeds there | {SPENT} FLOPs of the tuning |"
    assert base.startswith("| base model | - | ")
    assert base.endswith("] | - | - | - | - | - |")
    assert grpo.startswith("| grpo | 3 | 0.00 [0.00, ")
    assert grpo.endswith(" | 0 of 3 | > 12 | > 8,000 | 16 | - |")
    assert bread.startswith("| bread | 3 | 1.00 [")
    assert bread.endswith(" | 3 of 3 | 8 | 4,000 | 16 | 4 T |")
    assert sft.endswith("| as bread |")


def test_without_a_target_a_row_has_what_a_run_spent(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.0, "bread": 1.0}, seeds=(0,))
    definition = json.loads((tmp_path / "study.json").read_text()) | {"target": None}
    (tmp_path / "study.json").write_text(json.dumps(definition))
    head, _, _, grpo, _ = table(tmp_path)
    assert head == f"{COLUMNS} {SPENT}"
    assert grpo.endswith(" | 12 | 8,000 | 16 |")


def test_the_command_writes_the_table_and_the_picture_and_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9})
    paths = [str(tmp_path / "table.md"), str(tmp_path / "curves.svg")]
    assert command.run([str(tmp_path), "--table", paths[0], "--curves", paths[1]]) == 0
    assert capsys.readouterr().out.splitlines() == paths
    assert (tmp_path / "table.md").read_text() == "\n".join(table(tmp_path)) + "\n"
    picture = (tmp_path / "curves.svg").read_text()
    assert picture.lstrip().startswith("<?xml")
    assert not (tmp_path / "report.html").exists()
    assert command.run([str(tmp_path), "--curves", "x.pdf"]) == 2
    assert capsys.readouterr().err == "--curves x.pdf: the name must end with .svg or .png\n"
