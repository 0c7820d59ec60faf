"""Reward against truth: whether the training reward rises from look to look at dev while the accuracy on dev does not.

A policy that has found what the verifier wrongly pays for looks like this. It knows no settings and no trainer.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Look(NamedTuple):
    """One evaluation on dev, and the mean training reward of the RL updates since the one before."""

    step: int
    reward: float
    accuracy: float


@dataclass
class RewardTrend:
    """The looks of one run so far, and the rewards since the last of them."""

    looks: list[Look] = field(default_factory=list)
    _sum: float = 0.0
    _count: int = 0

    def add(self, reward: float) -> None:
        """Takes the mean reward of an RL update."""
        self._sum += reward
        self._count += 1

    def look(self, step: int, accuracy: float) -> None:
        """Takes the accuracy on dev after `step`; a look without an RL update since the last one says nothing."""
        if self.looks and self.looks[-1].step == step:
            self.looks[-1] = self.looks[-1]._replace(accuracy=accuracy)
        elif self._count:
            self.looks.append(Look(step, self._sum / self._count, accuracy))
            self._sum, self._count = 0.0, 0

    def parted(self, looks: int, rise: float) -> tuple[Look, Look] | None:
        """The look `looks` ago and the last one, where the reward rose by more than `rise` between them, and the
        accuracy did not rise."""
        if len(self.looks) <= looks:
            return None
        first, last = self.looks[-1 - looks], self.looks[-1]
        rose = last.reward - first.reward > rise
        return (first, last) if rose and last.accuracy <= first.accuracy else None

    def state_dict(self) -> dict[str, Any]:
        return {
            "looks": [list(look) for look in self.looks],
            "sum": self._sum,
            "count": self._count,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undoes `state_dict`."""
        self.looks = [Look(*look) for look in state["looks"]]
        self._sum, self._count = state["sum"], state["count"]
