"""The settings of conf/config.yaml that are made for the built-in model, and fit no pretrained one."""

from collections.abc import Container
from functools import cache
from typing import Any

from hybrid_rl.config.composing import primary_values
from hybrid_rl.config.settings import Settings


def kept(settings: Settings, typed: Container[str] = ()) -> dict[str, float]:
    """The settings of a pretrained model that are still the toy's; `typed`: keys that the user gave, which are not."""
    train, made_for_toy = settings.train, _train()
    if settings.task != "train" or settings.model.path == "tiny":
        return {}
    values: dict[str, float] = {"train.max_completion_tokens": train.max_completion_tokens}
    made = {"train.max_completion_tokens": made_for_toy["max_completion_tokens"]}
    learns = {
        "rl": settings.method.group_size is not None,
        "sft": settings.method_class.needs_traces,
    }
    for kind, phase in (("rl", train.rl), ("sft", train.sft)):
        if learns[kind]:
            values[f"train.{kind}.learning_rate"] = phase.learning_rate
            made[f"train.{kind}.learning_rate"] = made_for_toy[kind]["learning_rate"]
    return {key: one for key, one in values.items() if one == made[key] and key not in typed}


def warning(settings: Settings, typed: Container[str] = ()) -> str | None:
    """A line about the settings of the toy that a pretrained model keeps; None where it keeps none."""
    found = kept(settings, typed)
    if not found:
        return None
    shown = ", ".join(f"{key} = {value:g}" for key, value in found.items())
    are = "is" if len(found) == 1 else "are"
    return (
        f"{shown}: {are} made for the built-in toy, and {settings.model.name} is another model;"
        " start from experiment=mine, which has values for pretrained models, or give your own"
    )


@cache
def _train() -> Any:
    """The section `train` of conf/config.yaml."""
    return primary_values()["train"]
