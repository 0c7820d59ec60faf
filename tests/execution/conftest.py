"""A run that was prepared, as the launcher leaves it."""

from pathlib import Path

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import launch
from hybrid_rl.recording.run_directory import RunDir
from tests.conftest import Load


@pytest.fixture
def started(load: Load, tmp_path: Path) -> tuple[Settings, RunDir]:
    settings = load("method=sft")
    return settings, launch.prepare(settings, ["hybrid-rl"], tmp_path)


def checkpoint_of(run: RunDir) -> None:
    folder = run.checkpoints / "checkpoint-2"
    folder.mkdir(parents=True)
    (folder / "hybrid_state.json").write_text("{}")
