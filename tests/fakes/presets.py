"""What the files of conf/ say, composed as the command line composes them."""

from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hybrid_rl.config.composing import config_dir


def option(group: str, name: str) -> dict[str, Any]:
    """What one option of a group of conf/ says, with the files that it builds on."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        made = OmegaConf.to_container(compose(overrides=[f"+{group}={name}"])[group])
    assert isinstance(made, dict)
    return made
