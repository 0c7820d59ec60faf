"""What the contract promises: the example in its docstring is a method, and a method without rollouts has no group."""

import textwrap
from collections.abc import Mapping
from typing import Any

import pytest

from hybrid_rl.methods import base
from hybrid_rl.methods.base import Method, MethodSettings, Note, Plan
from hybrid_rl.methods.bread_relift import BreadRelift
from hybrid_rl.methods.lookup import settings_class

IMPORTS = """
from typing import ClassVar
from pydantic import Field
from hybrid_rl.methods.base import *
from hybrid_rl.types import Update
"""


def example() -> Mapping[str, Any]:
    """The names that the code in the docstring defines."""
    _, _, after = (base.__doc__ or "").partition("n-th step:\n\n")
    code, _, _ = after.partition("\nA YAML file")
    names: dict[str, Any] = {}
    exec(IMPORTS + textwrap.dedent(code), names)
    return names


def test_the_example_of_the_docstring_is_a_method() -> None:
    every = example()["Every"]
    settings = settings_class(every).model_validate({"name": "every", "group_size": 2, "every": 3})
    method = every(settings, {}, seed=0, steps=7)
    updates = [method.next_update(step) for step in range(7)]
    assert [update.kind for update in updates] == ["rl", "rl", "sft", "rl", "rl", "sft", "rl"]
    assert [update.note["due"] for update in updates] == [2, 1, 0, 2, 1, 0, 2]
    assert settings.plan(7) == Plan(opening=0, fewest=2, expected=2)
    assert every.notes == {"due": Note("steps until the next SFT update", "mean")}


def test_a_method_that_declares_no_group_size_has_no_group() -> None:
    settings = MethodSettings(name="none")
    assert settings.group_size is None
    with pytest.raises(AssertionError, match="declares a group_size"):
        Method(settings, {}, seed=0, steps=1).rollout(0, [], lambda attempts: [])


def test_a_method_of_two_labels_the_notes_of_both() -> None:
    assert {"outcome", "buffer"} <= BreadRelift.notes.keys()
