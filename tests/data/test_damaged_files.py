"""Data files with bytes changed at random: they are refused in lines, or read; none ends in a traceback.

The seed is fixed, and the files are small, so that hundreds take a second or two.
"""

import csv
import json
import random
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from hybrid_rl.errors import DataError
from tests.fakes.rows import TRACED, load, numbered, settings

FILES = 60
"""Changed copies of each kind."""
SPLICES = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b",", b"\n", b"\r", b"[" * 2000, b"{", b"}", b"null", b"NaN",
    b"Infinity", b"1e999", b"\\ud800", b"\\u0000", b"9" * 5000, b"\xf0\x9f\x98\x80", b"true", b'{"q": 1}\n', b"<end>",
)  # fmt: skip


def whole(directory: Path, kind: str) -> Path:
    path = directory / f"whole.{kind}"
    rows = numbered(6)
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["q", "a", "t"])
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The bytes with one to four changes: some overwritten, cut out, doubled, or others put between them."""
    made = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(made) + 1)
        end = min(len(made), place + draw.randint(0, 20))
        way = draw.randrange(4)
        if way == 0:
            made[place:end] = draw.randbytes(end - place)
        elif way == 1:
            del made[place:end]
        elif way == 2:
            made[place:place] = made[place:end]
        else:
            made[place:place] = draw.choice(SPLICES)
    return bytes(made)


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_no_damaged_file_ends_in_a_traceback(kind: str, tmp_path: Path) -> None:
    draw = random.Random(kind)
    content = whole(tmp_path, kind).read_bytes()
    path = tmp_path / f"changed.{kind}"
    refused = read = 0
    for _ in range(FILES):
        path.write_bytes(mutated(content, draw))
        policy = draw.choice(["refuse", "drop"])
        source = {"kind": "file", "path": str(path)}
        chosen = settings(train=source, columns=TRACED, on_bad_row=policy, on_overlap=policy)
        try:
            questions = load(chosen)
        except DataError as error:
            refused += all(line.startswith("data=mine, ") for line in error.problems)
            continue
        for one in questions.train:
            f"{one.question}{one.answer}{one.trace}".encode()
        read += 1
    assert refused + read == FILES
    assert refused > 0
