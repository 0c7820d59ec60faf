"""Types and limits of `tracker`: the service that shows metrics beside the run directory, which is always written."""

from typing import Literal

from hybrid_rl.types import Section

PACKAGES = {
    "wandb": "wandb",
    "wandb_offline": "wandb",
    "tensorboard": "tensorboard",
    "trackio": "trackio",
    "mlflow": "mlflow",
    "comet": "comet_ml",
    "aim": "aim",
    "swanlab": "swanlab",
}
"""The package that each tracker needs; our extra in pyproject.toml has the same name."""


class TrackerSettings(Section):
    """The tracker of a run, and under which names it shows the run."""

    name: Literal[
        "none", "wandb", "wandb_offline", "tensorboard", "trackio", "mlflow", "comet", "aim", "swanlab"
    ]  # fmt: skip
    project: str
    entity: str | None
    """The team, user or workspace of wandb, Comet and SwanLab; null: its default. Other trackers have none."""
    tags: list[str]
