import json
import math
import subprocess
from pathlib import Path

import pytest

from hybrid_rl.errors import UsedDirectoryError
from hybrid_rl.recording import environment, files, locks
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


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    files.write_json(path, {"state": "running"})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"loss": math.nan})
    with pytest.raises(UnicodeEncodeError):
        files.write_text(path, "\ud800")
    assert json.loads(path.read_text()) == {"state": "running"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_cut_by_a_crash_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    files.append_json(path, {"step": 1})
    files.append_json(path, {"step": 2})
    with path.open("a") as file:
        file.write('{"step": 3')
    assert files.read_jsonl(path) == [{"step": 1}, {"step": 2}]
    assert files.read_jsonl(tmp_path / "none.jsonl") == []


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


def test_the_commit_is_recorded_with_whether_files_differ(tmp_path: Path) -> None:
    assert environment.git_state(tmp_path) is None
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "x", "--allow-empty"], cwd=tmp_path, check=True)
    state = environment.git_state(tmp_path)
    assert state is not None
    assert (len(state["commit"]), state["dirty"]) == (40, False)
    (tmp_path / "new").touch()
    changed = environment.git_state(tmp_path)
    assert changed is not None
    assert changed["dirty"] is True


def test_the_environment_names_versions_and_the_machine(tmp_path: Path) -> None:
    found = environment.describe(tmp_path)
    assert {"torch", "trl", "transformers", "hydra-core"} <= found["packages"].keys()
    assert found["launch_dir"] == str(tmp_path)
    files.write_json(tmp_path / "environment.json", found)
    environment.add_devices(tmp_path / "environment.json", ["GPU"])
    assert json.loads((tmp_path / "environment.json").read_text())["devices"] == ["GPU"]


def test_a_held_directory_is_refused_until_its_last_process_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with locks.held(lock, 0) as descriptor:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[descriptor])
    with (
        pytest.raises(UsedDirectoryError, match="an earlier start are still at work"),
        locks.held(lock, 0),
    ):
        pass
    child.kill()
    child.wait()
    with locks.held(lock, 0):
        pass
