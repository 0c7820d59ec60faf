"""Who may know whom, and how long a file may get."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hybrid_rl

PACKAGE = Path(hybrid_rl.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted(Path(__file__).parent.rglob("*.py"))
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
    # lean_grpo.py: the savings within TRL's own update; workload.py: the plain trainer of the benchmark;
    # distributed.py: weights for generation.
    "trl": {
        "trainer.py",
        "trl_arguments.py",
        "lean_grpo.py",
        "vllm_engine.py",
        "workload.py",
        "distributed.py",
    },
    "hydra": {"cli.py"},
    "omegaconf": {"cli.py", "loading.py"},
    "wandb": {"tracking.py"},
    "wandb_workspaces": {"dashboard.py"},
    "trackio": {"tracking.py"},
    "tensorboard": {"tracking.py"},
    "matplotlib": {"report.py", "plots.py"},
}


def _imports(file: Path) -> set[str]:
    """Top-level packages that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def _loaded_by(statement: str) -> set[str]:
    """Heavy packages in sys.modules after a statement, in an interpreter of its own."""
    code = f"import sys; {statement}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", METHODS)
def test_a_method_imports_pydantic_and_its_own_package_only(module: str) -> None:
    file = PACKAGE / "methods" / f"{module.rpartition('.')[2]}.py"
    outside = _imports(file) - set(sys.stdlib_module_names) - {"pydantic", "pydantic_core"}
    assert outside <= {"hybrid_rl"}


def test_methods_load_nothing_heavy() -> None:
    assert _loaded_by(f"import {', '.join(METHODS)}") == set()


@pytest.mark.parametrize(
    "module",
    ["cli", "settings", "loading", "resuming", "launch", "rundir", "stats", "report", "rewards"],
)
def test_what_the_parent_process_imports_is_light(module: str) -> None:
    if not (PACKAGE / f"{module}.py").exists():
        pytest.skip("not there")
    assert _loaded_by(f"import hybrid_rl.{module}") == set()


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_known_in_few_files(library: str) -> None:
    assert {file.name for file in FILES if library in _imports(file)} <= ONLY_IN[library]


@pytest.mark.parametrize(
    "file", [*FILES, *TESTS], ids=lambda file: f"{file.parent.name}/{file.name}"
)
def test_a_file_is_at_most_350_lines(file: Path) -> None:
    lines = len(file.read_text().splitlines())
    assert lines <= 350


def test_nothing_is_called_utils() -> None:
    assert not {file.stem for file in FILES} & {
        "utils",
        "util",
        "common",
        "helpers",
        "misc",
        "core",
    }
