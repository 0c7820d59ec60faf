"""Nothing has changed against tests/golden; `make golden` writes it anew where something was to change."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runs import golden

RELATIVE = 1e-5
OF_ENTROPIES = 1e-4
"""An entropy is a sum of p log p over the vocabulary, in which other kernels' rounding adds up."""
ABSOLUTE = 1e-7
"""For losses and advantages that are 0 but for rounding."""


def kept(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def changes(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """A line for every value that differs, fractions by more than rounding."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from changes(old.get(key), new.get(key), f"{where}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from changes(before, after, f"{where}.{index}")
    elif isinstance(old, float) and isinstance(new, float):
        relative = OF_ENTROPIES if where.endswith("entropy") else RELATIVE
        if not math.isclose(old, new, rel_tol=relative, abs_tol=ABSOLUTE):
            yield f"{where}: was {old}, is {new}"
    elif old != new or type(old) is not type(new):
        yield f"{where}: was {old}, is {new}"


def test_the_settings_of_nothing_typed_are_as_they_were() -> None:
    assert golden.default_settings() == kept(golden.SETTINGS / "default.json")


@pytest.mark.parametrize("group", golden.groups_of_settings())
def test_the_settings_of_every_option_are_as_they_were(group: str) -> None:
    assert golden.settings_of(group) == kept(golden.SETTINGS / f"{group}.json")


def test_the_jobs_of_every_study_are_as_they_were() -> None:
    assert golden.studies_of_conf() == kept(golden.SETTINGS / "study.json")


def test_no_golden_settings_are_left_of_a_group_that_is_gone() -> None:
    expected = {"default", "study", *golden.groups_of_settings()}
    assert {path.stem for path in golden.SETTINGS.iterdir()} == expected


def test_a_comparison_is_as_it_was(tmp_path: Path) -> None:
    markdown, page = golden.comparison(tmp_path)
    assert markdown == golden.COMPARISON.read_text(encoding="utf-8")
    assert list(changes(kept(golden.PAGE), page)) == []


def test_every_method_has_a_curve() -> None:
    assert set(kept(golden.CURVES)) == set(golden.options("method"))


@pytest.mark.slow
@pytest.mark.parametrize("method", golden.options("method"))
def test_a_method_trains_as_it_did(method: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = json.loads(json.dumps(golden.curve(method, tmp_path)))
    assert list(changes(kept(golden.CURVES)[method], found)) == []


def test_a_change_beyond_rounding_is_told() -> None:
    old = {"kind": "rl", "loss": [1.0, 2.0], "tokens": 7}
    assert list(changes(old, {"kind": "rl", "loss": [1.000001, 2.0], "tokens": 7})) == []
    assert list(changes(old, {"kind": "sft", "loss": [1.0, 2.1], "tokens": 8})) == [
        ".kind: was rl, is sft",
        ".loss.1: was 2.0, is 2.1",
        ".tokens: was 7, is 8",
    ]
