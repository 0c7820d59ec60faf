"""The types and limits of settings in plain words."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from hybrid_rl.tools.reference.kinds import in_words, sections


class Inner(BaseModel):
    kind: Literal["file"]


class Plain(BaseModel):
    size: int


class Sample(BaseModel):
    count: int = Field(ge=1)
    share: float | None = Field(gt=0, lt=1)
    either: Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, le=1)] | None
    few: Literal["a", "b"]
    fewer: Literal["a"] | None
    big: int = Field(le=10**6)
    address: str | None = Field(pattern="^x$")
    pair: tuple[float, float]
    many: tuple[str, ...]
    names: list[str] = Field(min_length=1)
    anything: dict[str, Any]
    source: Inner | None
    group: Plain


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("count", "whole number, at least 1"),
        ("share", "number, above 0, below 1, or null"),
        ("either", "whole number, at least 0, number, at least 0, at most 1, or null"),
        ("few", "`a` or `b`"),
        ("fewer", "`a` or null"),
        ("big", "whole number, at most 1,000,000"),
        ("address", "text, like `^x$`, or null"),
        ("pair", "list of 2 (number)"),
        ("many", "list (text)"),
        ("names", "list (text), not empty"),
        ("anything", "group: name -> anything"),
        ("source", "group with a `kind` or null"),
        ("group", "group"),
    ],
)
def test_a_field_in_words(name: str, words: str) -> None:
    assert in_words(Sample.model_fields[name]) == words


def test_the_groups_in_an_annotation_are_found_through_unions_and_mappings() -> None:
    assert [*sections(dict[str, Inner] | Plain | None)] == [Inner, Plain]
