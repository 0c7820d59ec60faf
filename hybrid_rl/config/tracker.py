"""Types and limits of `tracker`: the service that shows metrics beside the run directory, which is always written."""

from typing import Literal, get_args

from hybrid_rl.types import Section

Name = Literal[
    "none", "wandb", "wandb_offline", "tensorboard", "trackio", "mlflow", "comet", "aim", "swanlab"
]  # fmt: skip
PACKAGES = {name: name for name in get_args(Name) if name != "none"}
PACKAGES |= {"wandb_offline": "wandb", "comet": "comet_ml"}
"""The package that each tracker needs: wandb comes with a plain install, each other with the extra of its name."""


class TrackerSettings(Section):
    """The tracker of a run, and under which names it shows the run."""

    name: Name
    project: str
    entity: str | None
    """The team, user or workspace of wandb, Comet and SwanLab; null: its default. Other trackers have none."""
    tags: list[str]
    """Words by which runs can be found again."""
