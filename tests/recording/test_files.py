"""Files that are never half there."""

import errno
import json
import math
import os
from pathlib import Path

import pytest

from hybrid_rl.recording import files


def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    files.write_json(path, {"state": "running"})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"loss": math.nan})
    with pytest.raises(UnicodeEncodeError):
        files.write_text(path, "\ud800")
    assert json.loads(path.read_text()) == {"state": "running"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_cut_by_a_crash_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    files.append_json(path, {"step": 1})
    files.append_json(path, {"step": 2})
    with path.open("a") as file:
        file.write('{"step": 3')
    assert files.read_jsonl(path) == [{"step": 1}, {"step": 2}]
    assert files.read_jsonl(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    "line", ["garbage", "[1]", "{", "\\x00", "[" * 100_000, '{"a": 1}, {"a": 2}', "{},0,{}", "{},0"]
)
def test_a_damaged_line_is_told_by_file_and_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line.encode() + b'\n{"step": 3}\n')
    with pytest.raises(files.DamagedFileError) as raised:
        files.read_jsonl(path)
    assert str(raised.value).startswith(f"{path}: is damaged: line 2 is no JSON object (")
    assert files.read_steps(path, 1) == [{"step": 1}]


def test_the_last_line_of_a_growing_file_is_the_last_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert files.last_of_jsonl(path) is None
    path.write_text('{"step": 1')
    assert files.last_of_jsonl(path) is None
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert files.last_of_jsonl(path) == {"step": 2}
    assert files.last_of_jsonl(path, most=17) == {
        "step": 2
    }  # what is read begins within the first line
    assert files.last_of_jsonl(path, most=10) is None
    path.write_text('{"step": 1}\n[3]\n')
    assert files.last_of_jsonl(path) is None


def test_a_long_file_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": n, "text": "é\\n"}, ensure_ascii=n % 2 == 0) for n in range(2500)]
    lines[1700] = ""
    path.write_text("\n".join(lines) + "\n" + '{"step": 2500', encoding="utf-8")
    assert files.read_jsonl(path) == [json.loads(line) for line in lines if line]
    lines[2100] = "{"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(files.DamagedFileError, match="line 2101 is no JSON object"):
        files.read_jsonl(path)


def test_lines_share_the_names_of_their_fields(tmp_path: Path) -> None:
    """Names that each line has for itself would take more memory than the numbers."""
    path = tmp_path / "metrics.jsonl"
    files.write_jsonl(path, [{"zero_advantage_groups": 0.5}, {"zero_advantage_groups": 0.25}])
    [[first], [second]] = files.read_jsonl(path)
    assert first is second


def test_what_lies_after_a_step_is_dropped_whatever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n\xff\xfe\n')
    files.rewind_steps(path, 1)
    assert path.read_text() == '{"step": 1}\n'
    with pytest.raises(files.DamagedFileError, match="lines of 1 steps instead of 2"):
        files.rewind_steps(path, 2)


@pytest.mark.parametrize(
    ("code", "more"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.EIO, True)]
)
def test_room_is_what_can_be_written(
    code: int, more: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is broken is not full."""
    assert files.takes_more(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(os, "fsync", full)
    assert files.takes_more(tmp_path) == more
    assert list(tmp_path.iterdir()) == []
