"""Files that are never half there."""

import json
import math
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
