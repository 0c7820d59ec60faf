"""The contracts on imports in pyproject.toml hold, and no process loads what is heavy before it must."""

import subprocess
import sys

import pytest

from tests.fakes.places import ROOT

PACKAGE = ROOT / "hybrid_rl"
FILES = sorted(PACKAGE.rglob("*.py"))
METHODS = sorted(
    f"hybrid_rl.methods.{file.stem}" for file in (PACKAGE / "methods").glob("[a-z]*.py")
)
HEAVY = (
    "torch",
    "transformers",
    "trl",
    "datasets",
    "accelerate",
    "wandb",
    "deepspeed",
    "matplotlib",
)


def _loaded_by(statement: str) -> set[str]:
    """Heavy packages in sys.modules after a statement, in an interpreter of its own."""
    code = f"import sys; {statement}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_the_contracts_on_imports_hold() -> None:
    """The message of import-linter is the whole chain of imports that breaks one."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout


def test_methods_load_nothing_heavy() -> None:
    assert _loaded_by(f"import {', '.join(METHODS)}") == set()


@pytest.mark.parametrize(
    "module",
    [
        "cli",
        "worker",
        "config.settings",
        "config.loading",
        "execution.launch",
        "execution.resuming",
        "recording.run_directory",
        "evaluation.statistics",
        "reporting.run_report",
        "studies.study",
        "verification.grader",
    ],
)
def test_what_the_parent_process_imports_is_light(module: str) -> None:
    assert _loaded_by(f"import hybrid_rl.{module}") == set()


def test_nothing_is_called_utils() -> None:
    vague = {"utils", "util", "common", "helpers", "misc", "core"}
    assert (
        not {part for file in FILES for part in file.relative_to(PACKAGE).with_suffix("").parts}
        & vague
    )
