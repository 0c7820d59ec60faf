"""Settings composed from conf/ as the command line composes them, without starting Hydra's application."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from omegaconf import DictConfig

from hybrid_rl.config import loading
from hybrid_rl.config.composing import Composer, config_dir
from hybrid_rl.config.settings import Settings

Compose = Callable[..., DictConfig]
Load = Callable[..., Settings]
_COMPOSER = Composer()


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Puts the environment back: TRL's vLLM and DeepSpeed write RANK and a port into it, which a next run obeys."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def composed() -> Compose:
    """composed("method=grpo", "train.steps=3"): what Hydra hands on."""

    def build(*overrides: str) -> DictConfig:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            return _COMPOSER.compose(overrides)

    return build


@pytest.fixture
def load(composed: Compose, tmp_path: Path) -> Load:
    """load("method=grpo"): checked settings, of a run launched in tmp_path."""

    def build(*overrides: str, choices: dict[str, str | None] | None = None) -> Settings:
        typed = [override.partition("=")[0] for override in overrides]
        return loading.load_settings(
            composed(*overrides), tmp_path, tmp_path / "run", choices=choices, typed=typed
        )

    return build
