"""Reward settings as the presets have them, for tests that need no others."""

from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.reward import RewardSettings


def settings(option: str, **changes: Any) -> RewardSettings:
    """The settings of preset `option` with some values changed."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        composed = compose(f"reward/{option}")
    values: Any = OmegaConf.to_container(composed.reward)
    return RewardSettings(**{**values, **changes})
