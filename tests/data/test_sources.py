"""The files and generators that rows come from, and what is wrong with one in words."""

import csv
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from pydantic import ValidationError

from hybrid_rl.config.data import FileSource, HubSource, KnightsSource
from hybrid_rl.data import sources
from hybrid_rl.errors import DataError
from tests.fakes.rows import TRACED, jsonl, load, numbered, refusal, settings


def test_all_kinds_of_files_give_the_same_questions(tmp_path: Path) -> None:
    rows = numbered(3)
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    jsonl(tmp_path / "a.jsonl", rows)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["q", "a", "t"])
        writer.writeheader()
        writer.writerows(rows)
    loaded = [
        load(
            settings(train={"kind": "file", "path": str(tmp_path / f"a.{suffix}")}, columns=TRACED)
        ).train
        for suffix in ("json", "jsonl", "parquet", "csv")
    ]

    assert [question.trace for question in loaded[0]] == ["It is 0", "It is 1", "It is 2"]
    assert loaded[0] == loaded[1] == loaded[2] == loaded[3]


def test_a_limit_takes_the_first_rows_over_several_files(tmp_path: Path) -> None:
    paths = [jsonl(tmp_path / f"{i}.jsonl", numbered(3, start=10 * i))["path"] for i in range(2)]
    source = {"kind": "file", "path": paths, "limit": 4}

    assert [question.answer for question in load(settings(train=source)).train] == [
        "0",
        "1",
        "2",
        "10",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"q": 1}\n{"q": ', "{path} line 2: is not JSON"),
        (
            "a.jsonl",
            "[1, 2]",
            "{path} line 1: must be an object, not [1, 2]; write one object a line",
        ),
        ("a.json", '{"rows": []}', "{path}: must be a list of objects"),
        ("a.json", '{"q": 1}\n{"q": 2}', "{path}: is not JSON"),
        ("a.csv", "q,a\n1,2,3", "{path} row 1: has more cells than the header"),
        ("a.parquet", "not parquet", "{path}: is not a parquet file"),
        (
            "a.txt",
            "q",
            "{path}: must end with one of .jsonl, .json, .parquet, .csv; convert the file",
        ),
        ("a.jsonl", "", "{path}: has no rows; give another source"),
    ],
)
def test_a_broken_file_says_where(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    lines = refusal(settings(train={"kind": "file", "path": str(path)}))

    assert len(lines) == 1
    assert lines[0].startswith("data=mine, train: " + message.replace("{path}", str(path)))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "none.jsonl")

    assert refusal(settings(train={"kind": "file", "path": path})) == [
        f"data=mine, train: {path}: there is no such file; give its path relative to the directory of launch"
    ]


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"q": "\xff"}')

    assert "must be UTF-8 text" in refusal(settings(train={"kind": "file", "path": str(path)}))[0]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_file_is_read_no_further_than_its_limit(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(numbered(4)), path, row_group_size=2)
        body = path.read_bytes()
        second = pyarrow.parquet.ParquetFile(path).metadata.row_group(1).column(0)
        start = second.dictionary_page_offset or second.data_page_offset
        path.write_bytes(body[:start] + bytes(40) + body[start + 40 :])
    else:
        heads = {"jsonl": "", "csv": "q,a,t\n"}
        rows = {"jsonl": '{"q": "1 + 0", "a": "1"}\n' * 2, "csv": "1,1,1\n" * 2}
        broken = {"jsonl": "{\n", "csv": '1,"1\n'}
        path.write_text(heads[kind] + rows[kind] + broken[kind])

    def read(limit: int) -> int:
        return len(sources.read(FileSource(kind="file", path=str(path), limit=limit)))

    assert read(2) == 2
    with pytest.raises((DataError, OSError)):
        read(3)


class Hub(list[dict[str, Any]]):
    """Rows of a data set as the hub's library gives them."""

    def take(self, count: int) -> list[dict[str, Any]]:
        return self[:count]

    def select(self, places: range) -> list[dict[str, Any]]:
        return [self[place] for place in places]


def hub(monkeypatch: pytest.MonkeyPatch, rows: Sequence[dict[str, Any]]) -> list[Any]:
    """Stand in for the hub's library; what it is asked for comes into the list that is returned."""
    asked: list[Any] = []

    def load_dataset(*place: Any, **options: Any) -> Hub:
        asked.append((place, options))
        if options["split"] == "none":
            raise ValueError("Unknown split\nAvailable: train")
        return Hub(rows)

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return asked


@pytest.mark.parametrize(("limit", "read"), [(None, 3), (2, 2), (9, 3)])
def test_the_hub_is_asked_for_a_split_and_gives_the_first_rows(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, read: int
) -> None:
    asked = hub(monkeypatch, numbered(3))
    source = HubSource(kind="hub", path="a/b", config="main", split="train", limit=limit)
    rows = sources.read(source)

    assert asked == [(("a/b", "main"), {"split": "train", "revision": None, "streaming": False})]
    assert [row.values for row in rows] == numbered(3)[:read]
    assert [row.where for row in rows] == ["row 1", "row 2", "row 3"][:read]


def test_a_stream_is_read_up_to_its_limit_by_the_library_itself(tmp_path: Path) -> None:
    rows = [{"q": str(number), "a": str(number)} for number in range(5)]
    for number in range(2):  # the library looks one file ahead
        jsonl(tmp_path / f"train-0000{number}-of-00003.jsonl", rows)
    (tmp_path / "train-00002-of-00003.jsonl").write_text("{ this is never read\n")
    source = HubSource(kind="hub", path=str(tmp_path), split="train", limit=3, stream=True)

    assert [row.values for row in sources.read(source)] == rows[:3]


def test_a_stream_needs_a_limit() -> None:
    with pytest.raises(ValidationError, match="needs a limit beside it"):
        HubSource(kind="hub", path="a/b", split="train", stream=True)


def test_a_hub_out_of_reach_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, [])

    assert refusal(settings(train={"kind": "hub", "path": "a/b", "split": "none"})) == [
        "data=mine, train: a/b none: cannot be loaded from the hub (Unknown split); check path, config and split,"
        " or give a local copy with kind=file"
    ]


def test_a_generator_that_runs_out_of_questions_says_so() -> None:
    ledger = {
        "kind": "ledger",
        "size": 601,
        "seed": 0,
        "operations": (1, 1),
        "subtractions": None,
        "traces": "terse",
    }

    assert refusal(settings(train=ledger)) == [
        "data=mine, train: size = 601: operations (1, 1) and subtractions None allow only 600 questions"
    ]


def test_a_generated_row_has_the_columns_of_a_question() -> None:
    source = KnightsSource(kind="knights", size=2, seed=0, people=(2, 2))

    assert [list(row.values) for row in sources.read(source)] == [
        ["question", "answer", "trace", "level"]
    ] * 2


def test_the_mark_that_excel_writes_first_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\ufeffq,a\nWhat is 1 + 0?,1\n", encoding="utf-8")
    [question] = load(settings(train={"kind": "file", "path": str(path)})).train
    assert question.answer == "1"


def test_a_cell_may_be_longer_than_131_072_characters(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"q,a,t\nWhat is 1 + 0?,1,{'x' * 200_000}1\n", encoding="utf-8")
    source = {"kind": "file", "path": str(path)}
    [question] = load(settings(train=source, columns=TRACED)).train
    assert question.trace == "x" * 200_000 + "1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            'q,a\n"What is 1 + 0?,1\nWhat is 2 + 0?,2\n',
            "line 3: is not CSV (unexpected end of data)",
        ),
        ("q,q,a\n1,2,3\n", "has several columns q; rename all but one"),
    ],
)
def test_csv_that_would_lose_cells_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    [line] = refusal(settings(train={"kind": "file", "path": str(path)}))
    assert message in line


def test_json_that_is_nested_too_deep_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    deep = [f'{{"q": {"[" * depth}1{"]" * depth}}}' for depth in (100_000, 300, 20)]
    path.write_text("\n".join(deep), encoding="utf-8")
    lines = refusal(settings(train={"kind": "file", "path": str(path)}))
    assert [line.partition(": is")[2] for line in lines] == [
        " not JSON (it is nested more than 100 deep); write one object a line"
    ] * 2


def test_half_of_a_surrogate_pair_makes_a_bad_row(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", [*numbered(1), {"q": "\ud800 + 1?", "a": "1"}])
    assert refusal(settings(train=source)) == [
        "data=mine, train row 2: {{ q }}: text with half of a surrogate pair, which is no character; mend the row, or"
        " set data.on_bad_row=drop"
    ]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            b"1",
            "it is a value of type bytes, neither text nor a number; put .decode() after the name",
        ),
        (
            datetime(2020, 1, 1),
            "it is a value of type datetime, neither text nor a number; put .isoformat() after the name",
        ),
        (float("nan"), "it is nan, which is neither text nor a number"),
    ],
)
def test_only_text_and_numbers_are_text(value: object, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pyarrow.Table.from_pylist([{"q": "What is 1 + 0?", "a": value}])
    pyarrow.parquet.write_table(table, path)
    chosen = settings(train={"kind": "file", "path": str(path)})
    assert refusal(chosen) == [
        f"data=mine, train row 1: {{{{ a }}}}: {problem}; mend the row, or set data.on_bad_row=drop"
    ]
