"""What the package imports is declared in pyproject.toml, and its list of what methods may not import is whole."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import Any

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
