"""Every sweep file composes at its first and last point: a renamed setting breaks here and not overnight."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_rl.recording.trackers import named
from tests.conftest import Load
from tests.fakes.places import ROOT

FILES = sorted((ROOT / "sweeps").glob("*.yaml"))


def test_there_are_sweeps() -> None:
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("end", [0, -1], ids=["first", "last"])
def test_a_sweep_composes(file: Path, end: int, load: Load) -> None:
    sweep: dict[str, Any] = yaml.safe_load(file.read_text())
    fixed = [part for part in sweep["command"] if part.partition("=")[0] in ("method", "tracker")]
    points = {name: _points(given)[end] for name, given in sweep["parameters"].items()}
    settings = load(*fixed, *(f"{name}={value}" for name, value in points.items()))
    assert settings.seed == points["seed"]
    _, evaluated, measure = sweep["metric"]["name"].split("/")
    assert evaluated == "dev", "what is chosen by test questions is not measured by them"
    assert settings.train.eval_every is not None
    assert sweep["metric"]["name"] in named({"set": evaluated, measure: 0.5})


def _points(given: dict[str, Any]) -> list[Any]:
    """The values of a grid, or the ends of a distribution."""
    return given["values"] if "values" in given else [given["min"], given["max"]]
