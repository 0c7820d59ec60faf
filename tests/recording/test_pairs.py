"""The run that another one is paired with: found, read, and refused beforehand with what to type."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording.files import append_json, write_json
from hybrid_rl.recording.pairs import read_pair
from hybrid_rl.recording.run_directory import RunDir
from tests.conftest import Load

LINES = [{"step": 1, "kind": "sft", "note": {"phase": "warmup"}, "groups": []}]


@pytest.fixture
def pair(load: Load, tmp_path: Path) -> RunDir:
    """A finished run of SASR in `theirs`, beside the run directory `run`."""
    run = RunDir(tmp_path / "theirs")
    write_json(run.settings, json.loads(load("method=sasr").model_dump_json()))
    append_json(run.decisions, LINES[0])
    run.write_status("done")
    return run


def shuffled(load: Load, path: str = "../theirs", *more: str) -> Settings:
    return load("method=sasr", "method.control=shuffled", f"method.paired_run={path}", *more)


def test_a_relative_path_starts_at_the_run_directory(load: Load, pair: RunDir) -> None:
    assert read_pair(shuffled(load)) == LINES
    assert read_pair(shuffled(load, str(pair.path))) == LINES


def test_a_run_without_a_pair_reads_none(load: Load) -> None:
    assert read_pair(load("method=sasr", "method.paired_run=../theirs")) is None
    assert read_pair(load("method=grpo")) is None


def unfinished(pair: RunDir) -> None:
    pair.write_status("failed", error="x")


def absent(pair: RunDir) -> None:
    pair.settings.unlink()


def changed(key: str, value: Any) -> Callable[[RunDir], None]:
    def change(pair: RunDir) -> None:
        settings = json.loads(pair.settings.read_text())
        write_json(pair.settings, settings | {key: value})

    return change


def a_control(pair: RunDir) -> None:
    """What it did was not chosen by SASR's rule."""
    settings = json.loads(pair.settings.read_text())
    settings["method"]["control"] = "fixed"
    write_json(pair.settings, settings)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            absent,
            "{pair} is no run directory (a relative path starts at run_dir); give that of a finished run of"
            " method=sasr with seed=0",
        ),
        (
            unfinished,
            "the run in {pair} is not done (failed); let it end first, or continue it: hybrid-rl resume={pair}",
        ),
        (
            changed("seed", 3),
            "the run in {pair} has seed = 3, which must be 0; give a run of method=sasr with seed=0",
        ),
        (
            changed("method_target", "x.Y"),
            "the run in {pair} has method_target = x.Y, which must be hybrid_rl.methods.sasr.Sasr;"
            " give a run of method=sasr with seed=0",
        ),
        (
            a_control,
            "the run in {pair} has method.control = fixed, which must be null; give a run of method=sasr with seed=0",
        ),
    ],
)
def test_what_is_no_pair_is_refused(
    load: Load, pair: RunDir, spoil: Callable[[RunDir], None], expected: str
) -> None:
    spoil(pair)
    with pytest.raises(SettingsError) as raised:
        read_pair(shuffled(load))
    assert str(raised.value) == "method.paired_run = ../theirs: " + expected.format(pair=pair.path)
