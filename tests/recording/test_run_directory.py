from pathlib import Path

import pytest

from hybrid_rl.errors import UsedDirectoryError
from hybrid_rl.recording.run_directory import RunDir


def test_artefacts_have_the_names_of_the_contract() -> None:
    run = RunDir(Path("r"))
    assert [str(path) for path in (run.settings, run.overrides, run.environment, run.status)] == [
        "r/settings.json",
        "r/overrides.txt",
        "r/environment.json",
        "r/status.json",
    ]
    assert str(run.rollouts(10)) == "r/rollouts/step_000010.jsonl"
    assert str(run.evaluation("before")) == "r/eval/before"
    assert str(run.progress) == "r/eval/progress.jsonl"


def test_a_new_and_an_empty_directory_are_taken(tmp_path: Path) -> None:
    RunDir(tmp_path / "a" / "b").create()
    RunDir(tmp_path / "a" / "b").create()
    assert (tmp_path / "a" / "b").is_dir()


def test_a_used_directory_is_refused_with_ways_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(UsedDirectoryError) as error:
        RunDir(tmp_path).create()
    assert str(error.value) == (
        f"run_dir = {tmp_path}: is not empty (it holds metrics.jsonl), and no run writes over another;"
        f" give a new run_dir, leave it out to get a dated one, or continue that run with resume={tmp_path}"
    )


def test_a_file_is_not_a_run_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsedDirectoryError, match="is a file"):
        RunDir(tmp_path / "file").create()


def test_the_status_keeps_its_history(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.read_status() == {}
    run.write_status("running")
    run.write_status("failed", error="out of memory", exit_code=137)
    run.write_status("running", resumed=True)
    run.write_status("done")
    status = run.read_status()
    assert status["state"] == "done"
    assert "error" not in status
    assert [line["state"] for line in status["history"]] == ["running", "failed", "running", "done"]
    assert status["history"][1]["error"] == "out of memory"
    assert status["history"][2]["resumed"] is True


def test_overrides_can_be_pasted(tmp_path: Path) -> None:
    RunDir(tmp_path).add_overrides(["hybrid-rl", "method=sft", "data.columns.trace={a b}"])
    assert (
        RunDir(tmp_path).overrides.read_text()
        == "hybrid-rl method=sft 'data.columns.trace={a b}'\n"
    )
