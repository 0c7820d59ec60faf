"""A run that was prepared, as the launcher leaves it."""

from pathlib import Path

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import launch
from hybrid_rl.recording import checkpoints, files
from hybrid_rl.recording.run_directory import RunDir
from tests.conftest import Load


@pytest.fixture
def started(load: Load, tmp_path: Path) -> tuple[Settings, RunDir]:
    settings = load("method=sft")
    return settings, launch.prepare(settings, ["hybrid-rl"], tmp_path)


def checkpoint_of(run: RunDir, step: int = 2) -> Path:
    """A checkpoint as the trainer leaves it, with the lines of all logs so far."""
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "optimizer.pt").write_text(f"moments of step {step}")
    checkpoints.write_settings(folder, run.settings.read_text(encoding="utf-8"))
    checkpoints.write_state(folder, {"step": step})
    for path in (run.metrics, run.decisions):
        files.write_jsonl(path, [{"step": number} for number in range(1, step + 1)])
    return folder
