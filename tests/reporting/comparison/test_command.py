"""The command that compares runs: what it writes and where, and what it says of mistakes."""

import sys
from pathlib import Path

import pytest

from hybrid_rl import reporting
from hybrid_rl.reporting.comparison import command
from tests.fakes import studies


def test_the_command_writes_the_page_and_its_twin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9})
    assert command.run([str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    told, html, markdown = capsys.readouterr().out.splitlines()
    assert (html, markdown) == (f"{tmp_path}/report.html", f"{tmp_path}/report.md")
    assert told in (tmp_path / "report.md").read_text()
    assert told.replace("<", "&lt;") in page


def test_a_run_keeps_its_own_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    studies.write_study(study, {"grpo": 0.1, "bread": 0.9})
    runs = sorted(path.parent for path in study.glob("*/*/settings.json"))
    (runs[0] / "report.md").write_text("of this run")
    monkeypatch.chdir(tmp_path)
    assert command.run([str(run) for run in runs]) == 0
    assert (runs[0] / "report.md").read_text() == "of this run"
    assert not (runs[0] / "report.html").exists()
    assert (tmp_path / "comparison.html").exists()
    assert "comparison.html" in capsys.readouterr().out


def test_mistakes_are_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run([str(tmp_path / "nowhere")]) == 2
    assert command.run([str(tmp_path), "--out", "x.pdf"]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}/nowhere is not a directory. Give run directories, or a directory above them.\n"
        "--out x.pdf: the name must end with .html. The Markdown page is written beside it.\n"
    )


def test_numbers_out_of_range_are_refused_with_their_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for typed in (["--target", "1.5"], ["--target", "half"], ["--rollouts", "-1"]):
        with pytest.raises(SystemExit) as caught:
            command.run([str(tmp_path), *typed])
        assert caught.value.code == 2
    told = capsys.readouterr().err
    assert "1.5: the accuracy must be above 0 and at most 1" in told
    assert "invalid accuracy value: 'half'" in told
    assert "-1: the number must not be negative" in told


def test_another_outcome_can_be_made_primary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9})
    assert command.run([str(tmp_path), "--primary", "hard:avg"]) == 0
    told = capsys.readouterr().out
    assert "bread is better than grpo by 0." in told
    assert "All of this is about avg@2 on hard," in told
    text = (tmp_path / "report.md").read_text()
    assert "## Primary outcome: avg@2 on hard, 40 questions, after training (last weights)" in text
    assert "One outcome is primary: it was chosen for this page, not by a study beforehand." in text
    assert command.run([str(tmp_path)]) == 0
    text = (tmp_path / "report.md").read_text()
    assert "One outcome is primary: the study fixed it before anything was run." in text
    for typed in ("hard", "hard:best", ":greedy"):
        with pytest.raises(SystemExit) as caught:
            command.run([str(tmp_path), "--primary", typed])
        assert caught.value.code == 2
        told = "give a set and one of greedy, avg, maj, pass, e.g. hard:greedy"
        assert f"{typed}: {told}" in capsys.readouterr().err


def test_damaged_runs_are_left_out_by_name_and_the_others_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=range(4), questions=5)
    files = [
        ("metrics.jsonl", '{"step": 1}\n\0\0\n', "line 2 is no JSON object ('\\x00\\x00')"),
        ("decisions.jsonl", '{"kind": "rl"}\n', "line 1 is of no step"),
        ("status.json", "", "it is no JSON (Expecting value: line 1 column 1 (char 0))"),
        ("settings.json", "[1]", "it holds no JSON object"),
        ("eval/after/summary.json", "{}", "all of it: Input should be a valid dictionary"),
        ("eval/after/hard.jsonl", '{"id": 1}\n', "0.id: Input should be a valid string"),
    ]
    runs = [tmp_path / arm / f"seed_{seed}" for arm in ("grpo", "bread") for seed in (0, 2, 3)]
    notes = []
    for run, (name, text, what) in zip(runs, files, strict=True):
        (run / name).write_text(text, encoding="utf-8")
        notes.append(f"{run / name}: is damaged: {what}; this run is left out of the comparison.")
    assert command.run([str(tmp_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if "is damaged" in line] == notes
    assert "| 1 |" in (tmp_path / "report.md").read_text()


def test_without_inspect_a_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "hybrid_rl.reporting.inspect_logs", raising=False)
    monkeypatch.delattr(reporting, "inspect_logs", raising=False)
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    assert command.run([str(tmp_path), "--inspect", "logs"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("--inspect logs: inspect_ai cannot be imported (")
    assert told.endswith("); pip install 'hybrid-rl[inspect]'\n")
