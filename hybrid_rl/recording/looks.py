"""looks.json of a study that adds seeds until it is decided: every look at an arm, with what it saw and decided.

A study writes it, and goes by it when it is started again; a comparison shows it. How a look decides, this file does
not know.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from hybrid_rl.recording.files import write_json

Decision = Literal["better", "worse", "within margin", "undecided", "open"]
"""`open`: the arm gets another seed. `undecided`: it has the most seeds that it may have."""
FILE = "looks.json"


@dataclass(frozen=True)
class Look:
    """One look at the primary outcome of one arm, beside the reference with the same seeds."""

    arm: str
    seeds: list[int]
    difference: float
    low: float
    """The difference is between `low` and `high`, at this look and at all others at once, for all arms together."""
    high: float
    p: float
    """The p-value of this look alone."""
    level: float
    """The error level of this look alone: it decides where `p` is at most `level`."""
    p_together: float
    """The p-value of this look and those before it, corrected for all arms: at most .05 where one has decided."""
    decision: Decision
    answers: str
    """A hash of the scores that were looked at: no look is repeated with others."""


def read(study: Path) -> list[Look]:
    """The looks in a study directory, in the order in which they were made; empty where there was none."""
    path = study / FILE
    if not path.exists():
        return []
    return TypeAdapter(list[Look]).validate_json(path.read_text(encoding="utf-8"))


def write(study: Path, looks: Sequence[Look]) -> None:
    """Replaces the looks in a study directory."""
    write_json(study / FILE, [asdict(look) for look in looks])


def last(looks: Sequence[Look]) -> dict[str, Look]:
    """The last look at every arm that was looked at."""
    return {look.arm: look for look in looks}
