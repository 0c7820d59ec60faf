"""Every sweep file composes at its first and last point: a renamed setting breaks here and not overnight."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hybrid_rl.tracking import named
from tests.conftest import Load

FILES = sorted((Path(__file__).parent.parent / "sweeps").glob("*.yaml"))


def test_there_are_sweeps() -> None:
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("end", [0, -1], ids=["first", "last"])
def test_a_sweep_composes(file: Path, end: int, load: Load) -> None:
    sweep: dict[str, Any] = yaml.safe_load(file.read_text())
    overrides = [f"{name}={given['values'][end]}" for name, given in sweep["parameters"].items()]
    settings = load(*overrides)
    assert settings.seed == sweep["parameters"]["seed"]["values"][end]
    _, evaluated, measure = sweep["metric"]["name"].split("/")
    assert evaluated in settings.eval.sets
    assert sweep["metric"]["name"] in named({"set": evaluated, measure: 0.5})
