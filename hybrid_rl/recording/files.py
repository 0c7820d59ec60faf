"""Files that are never half there: text and JSON replaced as a whole, and lines added to .jsonl files.

What the files of a run are called, `run_directory` knows.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Replace the file as a whole: a reader, also one after a crash, sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Replace the file by `value` as JSON; raises ValueError for NaN and infinity, which are not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replace a .jsonl file as a whole, by a line for each record."""
    write_text(path, "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in records))


def append_json(path: Path, record: Mapping[str, Any]) -> None:
    """Add one line to a .jsonl file, in a single write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a .jsonl file; a last one that a crash cut is left out. Empty when there is no file."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def rewind(path: Path, step: int) -> None:
    """Drop the lines of a .jsonl file that lie after `step`."""
    if path.exists():
        write_jsonl(path, [line for line in read_jsonl(path) if line["step"] <= step])
