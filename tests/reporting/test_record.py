"""What reports read from a run directory."""

import json
from pathlib import Path

import pytest

from hybrid_rl.reporting.record import RunRecord
from tests.fakes import recorded


def test_a_finished_run_is_read_whole(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path)
    record = RunRecord.read(tmp_path)
    assert (record.name, record.method) == ("demo", "sft_then_grpo")
    assert [line["step"] for line in record.metrics] == list(range(1, 13))
    assert record.after["hard"].greedy.value == 0.75
    assert record.best == {}
    assert record.rows("after", "hard") == recorded.AFTER
    assert record.rows("best", "hard") == []
    assert record.overrides == run.overrides.read_text()


def test_what_is_missing_is_empty(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}")
    record = RunRecord.read(tmp_path)
    assert (record.name, record.method) == (tmp_path.name, "?")
    assert (record.environment, record.data, record.metrics, record.after) == ({}, {}, [], {})
    assert (record.overrides, record.traces) == ("", None)


@pytest.mark.parametrize(("traces", "text"), [(64, "16 of 64 (25%)"), (None, "16"), (0, "16 of 0")])
def test_traces_are_told_with_how_many_there_were(
    tmp_path: Path, traces: int | None, text: str
) -> None:
    run = recorded.write_run(tmp_path)
    environment = json.loads(run.environment.read_text())
    environment["data"]["traces"] = traces
    run.environment.write_text(json.dumps(environment))
    assert RunRecord.read(tmp_path).traces == text
