"""What environment.json says: commit, versions, machine."""

import json
import subprocess
from pathlib import Path

from hybrid_rl.recording import environment, files


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
    environment.add(tmp_path / "environment.json", "devices", ["GPU"])
    assert json.loads((tmp_path / "environment.json").read_text())["devices"] == ["GPU"]
