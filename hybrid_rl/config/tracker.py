"""Types and limits of every setting; the values live in conf/. Loads no torch.

`loading.load` turns what Hydra composed into one frozen `Settings`; `rules` joins settings of different groups.
"""

from typing import Literal

from hybrid_rl.types import Section


class TrackerSettings(Section):
    name: Literal["none", "wandb", "wandb_offline", "tensorboard", "trackio"]
    project: str
    entity: str | None
    """Team or user of wandb; null: its default. Other trackers have none."""
    tags: list[str]
