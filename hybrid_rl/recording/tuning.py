"""tuning.json of a study says what every trial came to on dev, which one was chosen, and what all of them cost.

A study writes it, and goes by it when it is started again; a comparison shows it. How trials are chosen and run, this
file does not know.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from hybrid_rl.recording.files import write_json
from hybrid_rl.types import Json

_NAME = "tuning.json"
_FEW = 2  # of two numbers each is at an edge, which tells nothing


@dataclass(frozen=True)
class TrialRecord:
    """One trial, all its seeds done."""

    overrides: list[str]
    """What the trial adds to the arm's own words; empty for the arm as written."""
    settings: dict[str, Json]
    """The values of the tuned settings."""
    dev: dict[int, float]
    """The accuracy on dev by seed; 0 where a guard stopped the run."""
    mean: float
    stopped: dict[int, str]
    """The seeds whose run a guard stopped, with its message."""
    spent: dict[str, float]
    """The sum over seeds, by budget axis."""


@dataclass(frozen=True)
class ArmTuning:
    """The outcome for one arm."""

    trials: list[TrialRecord]
    chosen: int
    """The index of the best trial, the earliest of equal ones."""
    spent: dict[str, float]
    """The sum over all trials, by budget axis: the cost of the arm's tuning."""
    like: str | None = None
    """The arm whose trials these are; None: its own."""

    @property
    def best(self) -> TrialRecord:
        return self.trials[self.chosen]

    def edges(self) -> dict[str, str]:
        """Setting -> `lowest` or `highest`, where the chosen value is that of at least three numbers that were tried.

        A better value may lie beyond it, which no trial has seen.
        """
        found = {}
        for key, value in self.best.settings.items():
            tried = {trial.settings.get(key) for trial in self.trials}
            numbers = {one for one in tried if isinstance(one, int | float) and one is not True}
            if value in numbers and len(numbers) > _FEW and value in (min(numbers), max(numbers)):
                found[key] = "lowest" if value == min(numbers) else "highest"
        return found


def chosen_of(means: list[float]) -> int:
    """The index of the largest mean, the first of equal ones."""
    return max(range(len(means)), key=lambda index: (means[index], -index))


def total(spendings: list[dict[str, float]]) -> dict[str, float]:
    """The sums by budget axis."""
    axes = dict.fromkeys(axis for spent in spendings for axis in spent)
    return {axis: sum(spent.get(axis, 0.0) for spent in spendings) for axis in axes}


def read(study: Path) -> dict[str, ArmTuning]:
    """The outcomes by arm in a study directory; empty where nothing was tuned."""
    path = study / _NAME
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    return TypeAdapter(dict[str, ArmTuning]).validate_json(text)


def write(study: Path, arms: Mapping[str, ArmTuning]) -> None:
    """Replaces the outcomes in a study directory."""
    write_json(study / _NAME, {arm: asdict(found) for arm, found in arms.items()})
