"""The run directory, the source of truth of a run: the name of every artefact, written so that none is half there."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Replace the file as a whole: a reader, or a crash, sees the old text or the new one."""
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
    """As `write_text`; NaN and infinity are refused with ValueError, for they are not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_json(path: Path, record: Mapping[str, Any]) -> None:
    """Add one line to a .jsonl file, in a single write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All complete lines; a last line that was cut by a crash is left out. Empty when there is no file."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def rewind(path: Path, step: int) -> None:
    """Drop the lines of a .jsonl file that lie after `step`."""
    lines = [line for line in read_jsonl(path) if line["step"] <= step]
    if path.exists():
        write_text(path, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
