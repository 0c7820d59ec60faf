"""What ended a run before train.steps, as its settings and its files tell. This file is pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hybrid_rl.recording import budget, patience


class Ending(NamedTuple):
    """What ended training; both are None where train.steps did, or where it goes on."""

    limit: str | None = None
    """The limit that was used up, written `budget.generated_tokens = 1,000`."""
    early: str | None = None
    """Why it stopped early: dev did not get better."""

    @property
    def told(self) -> str | None:
        """The ending in words that follow a colon."""
        return self.limit if self.early is None else f"stopped early: {self.early}"


def ending(
    settings: Mapping[str, Any], spent: Mapping[str, Any], dev: Iterable[Mapping[str, Any]]
) -> Ending:
    """What ended the training by `settings`, as a mapping, with `spent` as its last line of metrics.jsonl.

    `dev`: the lines of progress.jsonl. What would have ended it only later says nothing of it.
    """
    limit = budget.reached(budget.limits_of(settings), spent)
    train = settings.get("train") or {}
    if limit is not None or spent.get("step", 0) >= train.get("steps", 0):
        return Ending(limit)
    return Ending(early=patience.stopped_early(train.get("patience"), dev))
