"""The memory of both trainers is measured in processes of their own."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from hybrid_rl.config import composing
from hybrid_rl.tools.bench import presets, startup

pytestmark = pytest.mark.slow


def test_a_process_of_each_trainer_tells_its_largest_memory(tmp_path: Path) -> None:
    few = ("train.prompts_per_step=2", "method.group_size=4", "train.max_completion_tokens=8")
    overrides = [*presets.overrides(presets.SMALL, None), *few]
    settings = composing.settings_of(overrides, tmp_path / "settings")
    found = startup.memory(overrides, tmp_path, settings, random=None)
    assert {"ours_rss_mb", "plain_rss_mb"} <= found.keys()
    assert all(200 < value < 20_000 for value in found.values())
