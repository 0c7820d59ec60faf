"""What the package imports is declared in pyproject.toml, and its list of what methods may not import is whole."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from hybrid_rl.config import packages
from hybrid_rl.config.tracker import PACKAGES
from tests.fakes.places import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
DISTRIBUTION = {"hydra": "hydra-core"}
"""Distributions whose name is not that of what they install, where they may not be installed or are too many."""


def declared() -> set[str]:
    """The distributions that the package needs, always or with an extra of a user's."""
    extras = PROJECT["project"]["optional-dependencies"]
    lists = [
        PROJECT["project"]["dependencies"],
        *(extras[name] for name in extras if name != "dev"),
    ]
    return {normal(re.split(r"[\[<>=;~ ]", one)[0]) for needs in lists for one in needs}


def imported() -> dict[str, set[str]]:
    """Top-level name of a third party -> the files that import it, at their top or in a function."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "hybrid_rl").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in (one.partition(".")[0] for one in names):
                if name != "hybrid_rl" and name not in sys.stdlib_module_names:
                    found.setdefault(name, set()).add(file.name)
    return found


def at_their_top(file: Path) -> set[str]:
    """The top-level names that a file imports as soon as it is loaded itself."""
    waiting: list[ast.AST] = [ast.parse(file.read_text())]
    names: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)
    return names


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_declared() -> None:
    installed = packages_distributions()
    missing = {
        name: files
        for name, files in imported().items()
        if not {normal(one) for one in [DISTRIBUTION.get(name, name), *installed.get(name, [])]}
        & declared()
    }
    assert missing == {}


def test_the_list_of_what_methods_may_not_import_is_whole() -> None:
    [contract] = (
        one
        for one in PROJECT["tool"]["importlinter"]["contracts"]
        if "hybrid_rl.methods" in one.get("source_modules", [])
    )
    allowed = {"pydantic", "pydantic_core"}
    assert imported().keys() - allowed - set(contract["forbidden_modules"]) == set()


ALWAYS = {
    "gguf",
    "hydra-core",
    "omegaconf",
    "peft",
    "sympy",
    "torch",
    "transformers",
    "trl",
    "wandb",
}
"""What a plain install brings on every system, among other things."""


def test_a_plain_install_brings_what_presets_need_and_deepspeed_on_linux() -> None:
    plain = PROJECT["project"]["dependencies"]
    for name in ALWAYS:
        [found] = [one for one in plain if re.split(r"[<>=;~ ]", one)[0] == name]
        assert ";" not in found, "it is for every system"
    [deepspeed] = [one for one in plain if one.startswith("deepspeed")]
    assert deepspeed.endswith("; sys_platform == 'linux'")


def test_what_a_message_says_to_install_is_there_to_be_installed() -> None:
    """What a plain install brings has no extra of its own, and every other package of a message has one."""
    extras = PROJECT["project"]["optional-dependencies"].keys()
    plain = {normal(re.split(r"[<>=;~ ]", one)[0]) for one in PROJECT["project"]["dependencies"]}
    assert plain >= packages.PLAIN
    assert not packages.PLAIN & extras
    assert {*PACKAGES.values(), "vllm", "reasoning-gym"} <= packages.PLAIN | extras


def test_what_few_runs_need_is_imported_where_it_is_used_and_at_the_top_of_no_file() -> None:
    tops = {file.name: at_their_top(file) for file in (ROOT / "hybrid_rl").rglob("*.py")}
    assert "torch" in tops["trainer.py"]
    assert {name: found for name, names in tops.items() if (found := names & packages.PLAIN)} == {}
