"""Reward settings as the presets have them, for tests that need no others."""

from typing import Any

from hybrid_rl.config.reward import RewardSettings
from tests.fakes.presets import option


def settings(preset: str, **changes: Any) -> RewardSettings:
    """The settings of `preset` with some values changed."""
    return RewardSettings(**{**option("reward", preset), **changes})
