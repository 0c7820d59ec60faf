"""What the contract promises of a method whose settings say nothing, or that is made of two."""

import pytest

from hybrid_rl.methods.base import Method, MethodSettings, Plan
from hybrid_rl.methods.bread_relift import BreadRelift


def test_a_method_that_declares_no_group_size_has_no_group() -> None:
    settings = MethodSettings(name="none")
    assert settings.group_size is None
    assert settings.plan(9) == Plan(opening=0, fewest=0, expected=0)
    with pytest.raises(AssertionError, match="declares a group_size"):
        Method(settings, {}, seed=0, steps=1).rollout(0, [], lambda attempts: [])


def test_a_method_of_two_labels_the_notes_of_both() -> None:
    assert {"outcome", "buffer"} <= BreadRelift.notes.keys()
