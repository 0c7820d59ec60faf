"""The README's commands do what it says: files that it shows are written, then blocks marked `bash run` are run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hybrid_rl.config.composing import config_dir
from tests.fakes.places import ROOT

README = (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_the_commands_run(tmp_path: Path) -> None:
    commands = "\n".join(re.findall(r"^```bash run\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
    assert commands
    for name, text in re.findall(
        r"^```(?:python|yaml) (\S+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    shim = tmp_path / "bin" / "hybrid-rl"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hybrid_rl "$@"\n')
    shim.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        ["sh", "-e"], input=commands, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (tmp_path / "runs" / "first" / "report.md").is_file()
    report = (tmp_path / "runs" / "rescue" / "report.md").read_text()
    [label] = re.findall(r'Note\("(.*?)"', README)
    assert re.search(rf"^\| {label}, mean \|", report, re.MULTILINE), report


def test_the_options_it_names_are_there() -> None:
    for group, option in re.findall(
        r"\b(method|model|data|hardware|reward|experiment)=([a-z]\w*)", README
    ):
        shown = f"my_conf/{group}/{option}.yaml" in README
        assert shown or (config_dir() / group / f"{option}.yaml").is_file(), f"{group}={option}"


def test_the_folders_and_files_it_names_are_there() -> None:
    tree = README.partition("## The code")[2]
    names = re.findall(r"\b[a-z_]+(?:\.py\b|/)", tree.partition("```")[2])
    assert {"training/", "run.py"} <= set(names)
    for name in names:
        assert any((ROOT / "hybrid_rl").rglob(name.rstrip("/"))), name


def test_the_make_targets_it_names_are_there_and_have_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", README):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_paths_that_contributing_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = set(re.findall(r"`((?:\w+/)*\w+(?:\.py|\.md|\.toml|\.yaml|/))`", text))
    assert {"pyproject.toml", "config/rules.py", "conf/method/"} <= paths
    for path in paths:
        assert (ROOT / path).exists() or (ROOT / "hybrid_rl" / path).exists(), path
