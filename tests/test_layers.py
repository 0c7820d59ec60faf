"""Which file may know which other file, and which library. The layers themselves stand in pyproject.toml."""

import ast
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

# Files that may name a library at all, in an import anywhere.
ONLY_IN = {
    "trl": {
        "training/trainer.py",
        "training/arguments.py",
        "training/lean/trainer.py",  # the savings within TRL's own update
        "models/vllm.py",
        "models/whole_weights.py",  # weights for generation
        "tools/bench/workload.py",  # the plain trainer of the benchmark
    },
    "hydra": {"cli.py", "config/composing.py", "studies/launcher.py"},
    "omegaconf": {"cli.py", "config/composing.py", "config/loading.py", "studies/launcher.py"},
    "wandb": {"recording/trackers.py"},
    "wandb_workspaces": {"reporting/dashboard.py"},
    "trackio": {"recording/trackers.py"},
    "tensorboard": {"recording/trackers.py"},
    "matplotlib": {"reporting/run_report.py", "reporting/plots.py"},
}


def _imports(text: str) -> set[str]:
    """Top-level packages that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def _loaded_by(statement: str) -> set[str]:
    """Heavy packages in sys.modules after a statement, in an interpreter of its own."""
    code = f"import sys; {statement}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_folders_import_downwards_only() -> None:
    """import-linter prints the whole chain of imports that breaks a layer."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", METHODS)
def test_a_method_imports_pydantic_and_its_own_package_only(module: str) -> None:
    file = PACKAGE / "methods" / f"{module.rpartition('.')[2]}.py"
    outside = _imports(file.read_text()) - set(sys.stdlib_module_names)
    assert outside <= {"hybrid_rl", "pydantic", "pydantic_core"}


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


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_known_in_few_files(library: str) -> None:
    found = {
        str(file.relative_to(PACKAGE)) for file in FILES if library in _imports(file.read_text())
    }
    assert found <= ONLY_IN[library]


def test_nothing_is_called_utils() -> None:
    vague = {"utils", "util", "common", "helpers", "misc", "core"}
    assert (
        not {part for file in FILES for part in file.relative_to(PACKAGE).with_suffix("").parts}
        & vague
    )
