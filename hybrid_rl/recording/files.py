"""Files that are never half there: text and JSON replaced as a whole, and lines added to .jsonl files.

What the files of a run are called, `run_directory` knows.
"""

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hybrid_rl.errors import UserError

_AT_ONCE = 1000
"""Lines of a .jsonl file that are read in one go."""


class DamagedFileError(UserError):
    """A file of a run that is not as it was written; the message names it."""


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


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises DamagedFileError for anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path}: is damaged: it is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise DamagedFileError(f"{path}: is damaged: it holds no JSON object")
    return value


def fitting(path: Path, value: Any, kind: Any) -> Any:
    """What was read from a file, in the type `kind`; raises DamagedFileError where it does not fit."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "all of it"
        raise DamagedFileError(f"{path}: is damaged: {place}: {first['msg']}") from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a .jsonl file; a last one that a crash cut is left out. Empty when there is no file.

    Raises DamagedFileError for any other line that is no JSON object.
    """
    return list(each_jsonl(path))


def each_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the lines that `read_jsonl` returns, of which it holds few at a time."""
    if not path.exists():
        return
    with path.open("rb") as file:
        lines: list[bytes] = []
        first = 1
        for line in file:
            if not line.endswith(b"\n"):
                break  # what another process adds to it by now must not be read as a line
            lines.append(line[:-1])
            if len(lines) == _AT_ONCE:
                yield from _objects(path, first, lines)
                first += len(lines)
                lines.clear()
    yield from _objects(path, first, lines)


def last_of_jsonl(path: Path, most: int = 2**16) -> dict[str, Any] | None:
    """The last complete line of a .jsonl file that is being written, of at most `most` bytes, at the cost of that line.

    None where there is none, or none that can be read: this is for a look; `read_jsonl` reads a record.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            lines = file.read().split(b"\n")[:-1]
        return _object(path, len(lines), lines[-1]) if lines else None
    except (FileNotFoundError, DamagedFileError):
        return None


def read_steps(path: Path, steps: int) -> list[dict[str, Any]]:
    """The first lines of a .jsonl file that has one for each optimizer step, those of 1 to `steps`.

    Raises DamagedFileError where one of them is missing or damaged; what comes after them is not looked at.
    """
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    if len(lines) < steps:
        raise DamagedFileError(
            f"{path}: is damaged: it has lines of {len(lines)} steps instead of {steps}"
        )
    found = [_object(path, number, line) for number, line in enumerate(lines[:steps], 1)]
    for number, line in enumerate(found, 1):
        if line.get("step") != number:
            raise DamagedFileError(
                f"{path}: is damaged: line {number} is of step {line.get('step')}"
            )
    return found


def rewind(path: Path, step: int) -> None:
    """Drop the lines of a .jsonl file that lie after `step`."""
    if path.exists():
        write_jsonl(path, [line for line in read_jsonl(path) if line["step"] <= step])


def rewind_steps(path: Path, step: int) -> None:
    """Drop what lies after `step` in a .jsonl file that has a line for each step, whatever that is."""
    if path.exists():
        write_jsonl(path, read_steps(path, step))


def takes_more(directory: Path, size: int = 2**20) -> bool:
    """Whether so many bytes can be written into a directory: True unless its disk, or a quota, has no room for them."""
    probe = directory / f"room.{os.getpid()}.partial"
    try:
        with probe.open("wb") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno not in (errno.ENOSPC, errno.EDQUOT)
    finally:
        probe.unlink(missing_ok=True)
    return True


def sync(path: Path) -> None:
    """Wait until the disk has what was written to a file, if there is one."""
    if path.exists():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _objects(path: Path, first: int, lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """The objects in lines, of which the first has this number; empty lines hold none.

    They are read in one go, for then they share the names of their fields, which else take most of the memory.
    """
    written = [line for line in lines if line]
    try:
        # The zeros tell where a line ends: whatever is no object ends the attempt, and so do two on one line.
        found: list[Any] = json.loads(b"[" + b",0,".join(written) + b"]")
    except (ValueError, RecursionError):
        found = []
    objects, between = found[::2], found[1::2]
    one_each = len(objects) == len(written) and between == [0] * (len(written) - 1)
    if one_each and all(isinstance(one, dict) for one in objects):
        return objects
    return [_object(path, number, line) for number, line in enumerate(lines, first) if line]


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    """The object in a line. Raises DamagedFileError, with the number of the line and how it begins."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        begins = ascii(line[:40])[1:]
        raise DamagedFileError(f"{path}: is damaged: line {number} is no JSON object ({begins})")
    return value
