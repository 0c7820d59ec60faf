"""What is typed wins over a preset, where a preset leaves it open."""

from pathlib import Path

import pytest

from hybrid_rl.config import composing
from hybrid_rl.tools.bench import presets


def test_what_is_typed_wins_over_the_preset(tmp_path: Path) -> None:
    typed = ["hardware=gpu", "hardware.micro_batch=2", "model.dtype=bfloat16"]
    settings = composing.settings_of(presets.overrides(presets.MEDIUM, None, typed), tmp_path)
    assert (settings.hardware.device, settings.hardware.micro_batch) == ("cuda", 2)
    assert (settings.model.name, settings.model.dtype) == ("smollm2_135m_gguf", "bfloat16")


@pytest.mark.parametrize("key", ["hardware", "hardware.micro_batch", "method.group_size"])
def test_a_setting_that_both_trainers_follow_is_open(key: str) -> None:
    assert presets.is_open(key)


@pytest.mark.parametrize("key", ["hardwares", "method.name", "train.rl.beta", "method"])
def test_any_other_setting_is_not(key: str) -> None:
    assert not presets.is_open(key)
