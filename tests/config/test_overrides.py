"""Overrides, and nested definitions by dotted key."""

from pathlib import Path

import pytest

from hybrid_rl.config.overrides import differences, flat, key_of, quoted
from tests.studies.conftest import TWO, defined


def test_a_changed_definition_names_what_differs() -> None:
    old = defined().definition([])
    new = defined(seeds=[0, 1, 2], arms={"base": TWO["arms"]["base"], "b": []}).definition(["x=1"])
    assert differences(old, new) == [
        "arms.rl: was ['method=grpo'], is not there",
        "seeds: was [0, 1], is [0, 1, 2]",
        "extra: was [], is ['x=1']",
        "arms.b: was not there, is []",
    ]


@pytest.mark.parametrize(
    ("override", "key"),
    [("train.steps=3", "train.steps"), ("++a.b={c:1}", "a.b"), ("~data.train", "data.train"),
     ("model@other=tiny", "model")],
)  # fmt: skip
def test_an_override_names_its_setting(override: str, key: str) -> None:
    assert key_of(override) == key


def test_nested_values_have_dotted_keys_and_an_empty_group_is_a_value() -> None:
    assert flat({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}


def test_a_path_with_a_quote_is_one_value() -> None:
    assert quoted(Path("/runs/it's")) == r"'/runs/it\'s'"
