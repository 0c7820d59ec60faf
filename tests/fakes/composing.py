"""What Hydra composes of conf/, for tests: the options of groups that come again are composed once in a process."""

from hydra import initialize_config_dir
from omegaconf import DictConfig

from hybrid_rl.config.composing import Composer, config_dir

_COMPOSER = Composer()


def compose(*overrides: str) -> DictConfig:
    """What Hydra hands on, of what would be typed after `hybrid-rl`; a copy of one's own."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return _COMPOSER.compose(overrides)
