"""Types and limits of `tracker`: the service that shows metrics beside the run directory, which is always written.

The values stand in conf/tracker/.
"""

from typing import Literal

from hybrid_rl.types import Section


class TrackerSettings(Section):
    """The tracker of a run, and under which names it shows the run."""

    name: Literal["none", "wandb", "wandb_offline", "tensorboard", "trackio"]
    project: str
    entity: str | None
    """The team or user of wandb; null: its default. Other trackers have none."""
    tags: list[str]
