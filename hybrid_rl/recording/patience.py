"""Early stopping: how many looks at dev there have been without a better accuracy. This file is pure.

The measure is the one by which eval.best chooses: greedy accuracy after an update, where of equals the earliest stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Patience:
    """What the looks at dev have shown so far; it is saved with every checkpoint."""

    best: float | None = None
    """The highest accuracy; None before the first look."""
    best_step: int = 0
    last_step: int = 0
    """The step after which dev was looked at last."""
    looks: int = 0
    """The looks since the best one."""

    def look(self, step: int, accuracy: float) -> None:
        """Counts a look after `step`. None counts before training, and none a second time after the same step."""
        if step <= self.last_step:
            return
        self.last_step = step
        if self.best is None or accuracy > self.best:
            self.best, self.best_step, self.looks = accuracy, step, 0
        else:
            self.looks += 1

    def is_over(self, most: int | None) -> bool:
        """Whether there were `most` looks without a better one; None: never."""
        return most is not None and self.looks >= most


def stopped_early(most: int | None, dev: Iterable[Mapping[str, Any]]) -> str | None:
    """Why `most`, which is train.patience, ends a run with these lines of progress.jsonl; None where it does not."""
    patience = Patience()
    for line in dev:
        patience.look(line["step"], line["greedy"])
    if not patience.is_over(most):
        return None
    return (
        f"no accuracy on dev above {patience.best:.3f}, that of step {patience.best_step}, in {patience.looks}"
        f" look{'s' * (patience.looks != 1)} (train.patience = {most})"
    )
