"""The files and generators that rows come from, and what is wrong with one in words."""

import csv
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.fakes.rows import TRACED, LastWord, jsonl, load, numbered, refusal, settings


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


def test_a_verifier_that_fails_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LastWord, "first_error", "KeyError: 'broken'")
    rows = [{"q": f"question {i}", "a": "1", "t": "It is 2"} for i in range(3)]
    [line] = refusal(settings(train=jsonl(tmp_path / "a.jsonl", rows), columns=TRACED))
    assert (
        "fits this data. The verifier itself failed: KeyError: 'broken'. The first, row 1" in line
    )
