"""Columns that a reward asks for by name travel with the question, and one that is missing is told before training."""

import datetime
import math
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from hybrid_rl.data.questions import Questions, fingerprint
from hybrid_rl.data.splits import load_questions
from hybrid_rl.errors import DataError
from hybrid_rl.verification.functions import Asks
from tests.fakes.rows import LastWord, jsonl, settings

ROWS = [
    {"q": "How far?", "a": "5", "unit": "m", "level": 3},
    {"q": "How long?", "a": "7", "unit": None},
]


def loaded(source: dict[str, Any], asks: Asks, **changes: Any) -> Questions:
    return load_questions(settings(train=source, **changes), LastWord(asks), False, True)


def test_a_question_carries_what_is_asked_for_and_nothing_else(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", ROWS)
    asks = Asks(needed=("unit", "prompt"), welcome=("style",))
    found = loaded(source, asks, instruction="Be brief.")
    assert [one.columns for one in found.train] == [
        {"unit": "m", "prompt": "How far?\n\nBe brief."},
        {"unit": None, "prompt": "How long?\n\nBe brief."},
    ]
    assert [one.columns for one in loaded(source, Asks()).train] == [{}, {}]


def test_a_function_that_takes_everything_gets_the_whole_row(tmp_path: Path) -> None:
    [first, _] = loaded(jsonl(tmp_path / "a.jsonl", ROWS), Asks(everything=True)).train
    assert first.columns == {**ROWS[0], "prompt": "How far?"}


def test_a_column_that_is_not_there_is_named_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(DataError) as raised:
        loaded(source, Asks(needed=("units", "prompt", "tolerance")))
    assert str(raised.value).split("\n") == [
        f"data=mine, train: {source['path']}: reward.verifier = mine asks for units, which is no column and has no"
        " default value; did you mean unit?",
        f"data=mine, train: {source['path']}: reward.verifier = mine asks for tolerance, which is no column and has no"
        " default value; choose from a, level, q, unit",
    ]


def test_what_json_cannot_hold_comes_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    row = {"q": "When?", "a": "now", "day": datetime.date(2024, 2, 29), "weights": [0.5, math.nan]}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    asks = Asks(needed=("day", "weights"))
    [found] = loaded({"kind": "file", "path": str(path)}, asks).train
    assert found.columns == {"day": "2024-02-29", "weights": [0.5, None]}


def test_columns_are_a_part_of_what_makes_data_the_same_only_where_they_are_asked_for(
    tmp_path: Path,
) -> None:
    source = jsonl(tmp_path / "a.jsonl", ROWS)
    asked = loaded(source, Asks(needed=("unit",))).train
    in_feet = [{**row, "unit": "ft"} for row in ROWS]
    others = jsonl(tmp_path / "b.jsonl", in_feet)
    assert fingerprint(asked) != fingerprint(loaded(others, Asks(needed=("unit",))).train)
    assert fingerprint(loaded(source, Asks()).train) == fingerprint(loaded(others, Asks()).train)
