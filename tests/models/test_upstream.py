"""The names of TRL, transformers, accelerate and torch on which the package stands: an upgrade fails here first."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import trl
from transformers import Trainer

import hybrid_rl
from hybrid_rl.models import upstream
from hybrid_rl.models.upstream import PrivateName

pytestmark = pytest.mark.slow
PACKAGE = Path(hybrid_rl.__file__).parent
ENTRIES = [*upstream.OVERRIDDEN, *upstream.USED]
BY_TEXT = ("getattr", "hasattr", "setattr", "delattr")
LIBRARIES = ("trl", "transformers", "accelerate", "torch", "deepspeed", "vllm", "peft")


def owner(entry: PrivateName) -> Any:
    module, _, name = entry.owner.rpartition(".")
    return getattr(importlib.import_module(module), name)


def is_private(name: object) -> bool:
    """Whether it is a private name; Hydra's key `_target_` and double underscores are not."""
    return isinstance(name, str) and bool(re.fullmatch(r"_[a-zA-Z]\w*(?<!_)", name))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_private_name_is_as_the_list_says(entry: PrivateName) -> None:
    if entry.owner.startswith("wandb_workspaces"):
        pytest.importorskip("wandb_workspaces")
    cls = owner(entry)
    if entry.parameters is None:
        assert re.search(rf"\.{entry.name}\b(: [^=\n]+)? = ", inspect.getsource(cls)), "is not set"
        return
    found = list(inspect.signature(getattr(cls, entry.name)).parameters.values())
    wanted = entry.parameters.split()
    count = len(wanted)
    assert [parameter.name for parameter in found[:count]] == wanted
    assert [p.name for p in found[count:] if p.default is inspect.Parameter.empty] == []


def test_an_extended_method_is_defined_by_its_owner() -> None:
    for entry in upstream.OVERRIDDEN:
        assert entry.name in vars(owner(entry)), entry


def test_public_hooks_of_the_trainers_are_as_they_were() -> None:
    surface = {
        trl.GRPOTrainer.compute_loss: [
            *("self", "model", "inputs", "return_outputs", "num_items_in_batch")
        ],
        trl.GRPOTrainer.log: ["self", "logs", "start_time"],
        trl.GRPOTrainer.training_step: ["self", "model", "inputs", "num_items_in_batch"],
        Trainer.get_batch_samples: ["self", "epoch_iterator", "num_batches", "device"],
        Trainer.create_optimizer: ["self", "model"],
    }
    for hook, parameters in surface.items():
        assert list(inspect.signature(hook).parameters) == parameters, hook.__qualname__
    assert "rollout_func" in inspect.signature(trl.GRPOTrainer.__init__).parameters


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def used(tree: ast.AST) -> Iterator[str]:
    """Private names that are read, set or imported, and those that getattr and its like are given as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in BY_TEXT:
            yield from (a.value for a in node.args if isinstance(a, ast.Constant))


def defined(tree: ast.AST) -> Iterator[str]:
    """Names that a file defines: functions, classes, fields, and attributes of `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from [node.attr] if ast.unparse(node.value) == "self" else []


def foreign(tree: ast.AST, own: set[str]) -> set[str]:
    return {name for name in used(tree) if is_private(name)} - own - {"_exit"}  # os._exit


def test_no_private_name_of_another_library_is_missing_from_the_list() -> None:
    trees = {path: read(path) for path in PACKAGE.rglob("*.py")}
    own = {name for tree in trees.values() for name in defined(tree)}
    missing = {
        (str(path.relative_to(PACKAGE)), name)
        for path, tree in trees.items()
        for name in foreign(tree, own)
    }
    listed = {entry.name for entry in ENTRIES}
    assert {(path, name) for path, name in missing if name not in listed} == set()


def ours_on_theirs() -> list[type]:
    """Classes of the package that derive from a class of one of the libraries."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        if not re.search(
            r"^(from|import) (trl|transformers|torch|hybrid_rl.training)", path.read_text(), re.M
        ):
            continue
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for cls in vars(importlib.import_module(name)).values():
            if isinstance(cls, type) and cls.__module__ == name and theirs(cls):
                found.append(cls)
    return found


def theirs(cls: type) -> list[type]:
    return [base for base in cls.__mro__ if base.__module__.partition(".")[0] in LIBRARIES]


def source(cls: type) -> str:
    """The source of a class; nothing for one that torch makes while it runs."""
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return ""


def test_an_attribute_of_ours_hides_no_private_name_of_a_base_class() -> None:
    """A trainer that calls something `_plan` breaks in silence once TRL has a `_plan` of its own."""
    classes = ours_on_theirs()
    assert {cls.__name__ for cls in classes} >= {
        "HybridTrainer",
        "LeanGrpoTrainer",
        "_GrowingLayer",
    }
    listed = {entry.name for entry in ENTRIES}
    for cls in classes:
        names = {name for name in defined(ast.parse(inspect.getsource(cls))) if is_private(name)}
        held = "\n".join(map(source, theirs(cls)))
        taken = set(re.findall(r"(?:self\.|def )(_[a-zA-Z]\w*)", held))
        assert names & taken - listed == set(), cls


def test_a_walk_over_the_package_finds_what_has_no_entry() -> None:
    """The walk itself: attribute, import and text are found, what the package defines is not."""
    tree = ast.parse(
        "from trl import _hidden\nx._read\nhasattr(x, '_asked')\nself._own = x.public\nos._exit(1)"
    )
    assert foreign(tree, set(defined(tree))) == {"_hidden", "_read", "_asked"}


def test_a_hook_is_back_after_the_context() -> None:
    module = torch.nn.Linear(1, 1)
    calls: list[int] = []
    handle = module.register_forward_pre_hook(lambda *_: calls.append(1))
    with upstream.without_forward_pre_hook(module, handle.id):
        module(torch.zeros(1))
    assert calls == []
    module(torch.zeros(1))
    assert calls == [1]
