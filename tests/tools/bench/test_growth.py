"""Small sizes of every axis are measured, and end in a table and in JSON."""

import json
import sys
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import pytest

pytest.importorskip("torch")

from hybrid_rl.config import composing
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.reporting.record import RunRecord
from hybrid_rl.tools.bench import __main__, growth, made_up

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]
SMALL = {
    "a step": (2, 4),
    "report.md": (70, 140),
    "hybrid-rl-report": (70, 140),
    "data": (300, 600),
}


def test_a_small_growth_run_ends_in_the_table_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = [
        replace(axis, sizes=(64, 128) if "parameters" in axis.name else sizes)
        for axis in growth.AXES
        for start, sizes in SMALL.items()
        if axis.name.startswith(start)
    ]
    assert len(short) == len(growth.AXES)
    monkeypatch.setattr(growth, "AXES", short)
    # A verifier of an earlier test has left a fork server, which is no child of the processes that are forked here.
    monkeypatch.setattr(forkserver._forkserver, "_forkserver_pid", None)  # type: ignore[attr-defined]
    out = tmp_path / "growth.json"
    monkeypatch.setattr(sys, "argv", ["bench", "preset=growth", f"json={out}"])
    __main__.main()
    found = json.loads(out.read_text())["growth"]
    assert list(found) == [axis.name for axis in growth.AXES]
    for one in found.values():
        assert one.keys() == {"sizes", "seconds", "megabytes", "exponent", "error"}
        assert all(second > 0 for second in one["seconds"])
        assert all(megabyte >= 0 for megabyte in one["megabytes"])
    few, many = found["a step, parameters (128 to 1024 hidden)"]["sizes"]
    assert 3 < many / few < 4
    table = capsys.readouterr().out
    assert "exponent of the time" in table
    assert "2, 4" in table


def test_what_is_made_up_is_as_large_as_it_is_said_to_be(tmp_path: Path) -> None:
    settings = composing.settings_of(["method=grpo"], tmp_path / "settings")
    made_up.write_run(tmp_path, settings, steps=1100, rollouts=150)
    record = RunRecord.read(tmp_path)
    record.read_rest()
    assert [line["step"] for line in record.metrics] == list(range(1, 1101))
    files = sorted((tmp_path / "rollouts").glob("*.jsonl"))
    assert [len(read_jsonl(path)) for path in files] == [64, 64, 22]
    made_up.write_word_problems(tmp_path, 1100)
    rows = read_jsonl(tmp_path / "train.jsonl")
    assert len({row["question"] for row in rows}) == 1100


def test_a_directory_of_gsm8k_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "preset=growth", "json=/dev/null", "gsm8k=here"])
    with pytest.raises(SystemExit) as stopped:
        __main__.main()
    assert stopped.value.code == 2
    told = "gsm8k = here: preset=growth makes up its data; leave it out\n"
    assert capsys.readouterr().err == told


def test_a_gpu_is_refused(tmp_path: Path) -> None:
    settings = composing.settings_of(["hardware=gpu", "method=grpo"], tmp_path)
    assert __main__.cannot_grow(settings) == (
        "hardware = gpu: preset=growth counts processor seconds, in which a GPU's are not; choose hardware=cpu"
    )
