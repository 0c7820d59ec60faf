"""Reads the rows of a source: the hub, files, or a generator. Knows nothing of columns, questions or splits."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from hybrid_rl.config.data import (
    ChainSource,
    FileSource,
    GymSource,
    HubSource,
    KnightsSource,
    LedgerSource,
    Source,
    describe,
)
from hybrid_rl.data.generators import chain, gym, knights, ledger
from hybrid_rl.errors import DataError

Values = Mapping[str, Any]  # a row of a data set: whatever JSON or parquet holds
_ENCODING = "utf-8-sig"  # UTF-8, with or without the mark that Excel writes first
_DEEPEST = 100  # levels of lists and objects; readers of deeper ones would end in Python's limit of recursion


@dataclass(frozen=True)
class SourceRow:
    """One row of a source, and its place there."""

    where: str
    """The place in words: `row 12`, counted from 1, after the file name where there are several files."""
    values: Values
    """Column -> value."""


def read(source: Source) -> list[SourceRow]:
    """All rows of a source, or the first `limit`. Raises DataError."""
    match source:
        case HubSource():
            return _numbered(_read_hub(source))
        case FileSource():
            paths = [source.path] if isinstance(source.path, str) else source.path
            rows: list[SourceRow] = []
            for path in paths:
                left = None if source.limit is None else source.limit - len(rows)
                rows += _read_file(Path(path), len(paths) > 1, left)
            return rows
        case LedgerSource():
            drawn = ledger.rows(
                source.size, source.seed, source.operations, source.subtractions, source.traces
            )
        case ChainSource():
            numbers = (source.low, source.high)
            drawn = chain.rows(source.size, source.seed, source.terms, numbers, source.operations)
        case KnightsSource():
            drawn = knights.rows(source.size, source.seed, source.people)
        case GymSource():
            found = gym.rows(source.size, source.seed, source.task, source.settings)
            return _numbered([vars(question) for question in found])
    return _numbered([asdict(question) for question in drawn])


def _numbered(rows: Sequence[Values], prefix: str = "") -> list[SourceRow]:
    return [SourceRow(f"{prefix}row {number}", row) for number, row in enumerate(rows, 1)]


def _read_hub(source: HubSource) -> list[Values]:
    import datasets  # noqa: PLC0415 - heavy, and not needed where data comes from files or generators

    try:
        loaded = datasets.load_dataset(
            source.path,
            source.config,
            split=source.split,
            revision=source.revision,
            streaming=source.stream,
        )
        if source.stream:  # rows come over the network here, so this may fail as the line above
            return list(loaded.take(source.limit))
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{describe(source)}: cannot be loaded from the hub ({reason}); check path, config and split, or give a"
            " local copy with kind=file"
        ) from error
    if source.limit is not None:
        loaded = loaded.select(range(min(source.limit, len(loaded))))
    return list(loaded)


def _read_file(path: Path, named: bool, most: int | None) -> list[SourceRow]:
    """The rows of a file, or the first `most`, beyond which only a .json file is read."""
    if path.suffix not in _READERS:
        raise DataError(f"{path}: must end with one of {', '.join(_READERS)}; convert the file")
    if not path.is_file():
        raise DataError(
            f"{path}: there is no such file; give its path relative to the directory of launch"
        )
    try:
        return _numbered(_READERS[path.suffix](path, most), f"{path.name} " if named else "")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: must be UTF-8 text ({error}); convert the file") from error


def _read_jsonl(path: Path, most: int | None) -> list[Values]:
    rows: list[Values] = []
    problems = []
    with path.open(encoding=_ENCODING) as file:
        for number, line in enumerate(file, 1):
            if len(rows) == most:
                break
            if not line.strip():
                continue
            try:
                row = _parsed(line)
                if isinstance(row, dict):
                    rows.append(row)
                    continue
                problem = f"must be an object, not {_shown(row)}"
            except ValueError as error:
                problem = f"is not JSON ({error})"
            problems.append(f"{path} line {number}: {problem}; write one object a line")
    if problems:
        raise DataError(*problems)
    return rows


def _read_json(path: Path, most: int | None) -> list[Values]:
    try:
        rows = _parsed(path.read_text(encoding=_ENCODING))
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise DataError(
            f"{path}: is not JSON ({error}); write a list of objects, or name it .jsonl"
        ) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f"{path}: must be a list of objects, not {_shown(rows)}; one object per question"
        )
    return rows[:most]


def _parsed(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for one that is nested deeper than rows of data are."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {_DEEPEST} deep") from None
    level, depth = [value], 0
    while level := [
        below
        for item in level
        if isinstance(item, dict | list)
        for below in (item.values() if isinstance(item, dict) else item)
    ]:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
    return value


def _read_csv(path: Path, most: int | None) -> list[Values]:
    csv.field_size_limit(sys.maxsize)  # the default, 131,072 characters, is less than a long trace
    rows: list[Values] = []
    with path.open(encoding=_ENCODING, newline="") as file:
        reader = csv.DictReader(file, strict=True)  # else an open quote swallows the rows after it
        try:
            header = reader.fieldnames or []
            rows += islice(reader, most)
        except csv.Error as error:
            raise DataError(
                f"{path} line {reader.reader.line_num}: is not CSV ({error}); put a cell with quotes, commas or line"
                ' breaks in double quotes, and write " in it as ""'
            ) from error
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{path}: has several columns {', '.join(twice)}; rename all but one")
    problems = [
        f"{path} row {number}: has more cells than the header; quote cells that hold a comma"
        for number, row in enumerate(rows, 1)
        if None in row  # where csv puts what is left over
    ]
    if problems:
        raise DataError(*problems)
    return rows


def _read_parquet(path: Path, most: int | None) -> list[Values]:
    import pyarrow  # noqa: PLC0415 - heavy, only for parquet
    import pyarrow.parquet  # noqa: PLC0415

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            batches = (
                file.iter_batches() if most is None else file.iter_batches(min(most, 1024) or 1)
            )
            rows = list(islice((row for batch in batches for row in batch.to_pylist()), most))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: is not a parquet file ({error}); write it again") from error
    return rows


_READERS = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".parquet": _read_parquet,
    ".csv": _read_csv,
}


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode(
        errors="backslashreplace"
    ).decode()  # half of a surrogate pair cannot be printed
    return text if len(text) <= 60 else f"{text[:57]}..."
