"""Overrides, and nested definitions by dotted key."""

import shlex
from pathlib import Path

import pytest

from hybrid_rl.config import composing
from hybrid_rl.config.overrides import differences, flat, key_of, list_typed, quoted
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


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("[method=bread,method.episods=2]", '["method=bread","method.episods=2"]'),
        ("method=sft", '["method=sft"]'),
        ("0, 1", "[0,1]"),
        ('["seed=1", seed=2]', '["seed=1","seed=2"]'),
        (
            "[data.train={kind: file, path: a}, b=[1,2]]",
            '["data.train={kind: file, path: a}","b=[1,2]"]',
        ),
        ('[a="b"]', '["a=\\"b\\""]'),
    ],
)
def test_a_list_is_shown_as_it_can_be_typed(text: str, typed: str) -> None:
    shown = list_typed("key", text)
    assert shown == f"'key={typed}'"
    assert composing.unparsable(shlex.split(shown)) == []
