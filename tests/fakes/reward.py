"""Reward settings as the presets have them, for tests that need no others."""

from typing import Any

import yaml

from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.reward import RewardSettings


def settings(option: str, **changes: Any) -> RewardSettings:
    """The settings of preset `option` with some values changed."""
    values = yaml.safe_load((config_dir() / "reward" / f"{option}.yaml").read_text())
    return RewardSettings(**{**values, **changes})
