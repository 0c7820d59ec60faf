"""Solutions that were cut at the length limit: where most of them were, that explains all other figures of an arm."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from hybrid_rl.reporting.comparison.arms import Arm
from hybrid_rl.reporting.comparison.outcomes import Figure, Outcome

_WORTH_A_COLUMN = 0.05
_MOST = 0.5


def column(figures: Sequence[Figure]) -> list[str]:
    """The name of the column with the shares that were cut; none where they are small, so that a table stays narrow."""
    return ["cut"] if any(figure.cut > _WORTH_A_COLUMN for figure in figures) else []


def cells(figures: Sequence[Figure]) -> list[list[str]]:
    """The cell of every figure in that column; an empty list each where there is no such column."""
    shown = column(figures)
    return [[percent(figure.cut) for _ in shown] for figure in figures]


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def told(arms: Sequence[Arm], primary: Outcome) -> dict[str, str]:
    """What to say of each arm that had more than half of its solutions cut, by the name of the arm.

    Solutions to the questions of the primary outcome come first; else the rollouts of the RL steps count.
    """
    evaluated = {figure.arm: figure.cut for figure in primary.figures}
    found = {}
    for arm in arms:
        rollouts = _share_of_rollouts(arm)
        if evaluated.get(arm.name, 0.0) > _MOST:
            found[arm.name] = _sentence(arm, evaluated[arm.name], "solutions")
        elif rollouts > _MOST:
            found[arm.name] = _sentence(arm, rollouts, "rollouts")
    return found


def _share_of_rollouts(arm: Arm) -> float:
    """The mean over the RL steps of all evaluated runs; 0 where there is none."""
    lines = [line for record in arm.evaluated for line in record.metrics]
    rates = [line["truncated_rate"] for line in lines if line.get("truncated_rate") is not None]
    return fmean(rates) if rates else 0.0


def _sentence(arm: Arm, share: float, what: str) -> str:
    settings = arm.evaluated[0].settings
    name = "train.max_completion_tokens"
    if what == "solutions" and _value(settings, "eval.max_completion_tokens") is not None:
        name = "eval.max_completion_tokens"
    limit = _value(settings, name)
    at = "the length limit" if limit is None else f"{limit:,} tokens"
    wrong = ", and a cut solution counts as wrong (reward.credit_truncated=false)"
    if _value(settings, "reward.credit_truncated"):
        wrong = ""
    cut = f"{arm.name}: {percent(share)} of its {what} were cut at {at} ({name}){wrong}."
    return f"{cut} Raise the limit, or teach the model to stop."


def _value(settings: dict[str, Any], key: str) -> Any:
    """A setting of any type by its dotted key; None where a run has none."""
    section, _, name = key.partition(".")
    return settings.get(section, {}).get(name)
