"""The runs of an arm over training, in bins of optimizer steps: what the panels of a comparison are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

BINS = 30

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Binned:
    """Lines with a `step`, from 1, of all runs together."""

    parts: Sequence[Sequence[Line]]
    """The lines of each bin, in the order of the steps; a bin may have none."""
    steps: Sequence[float]
    """The middle of each bin."""
    width: int
    """Steps in a bin."""

    def placed(self, panel: Mapping[str, Any]) -> dict[str, Any]:
        """`panel`, which has a value for each bin, with the place of the bins."""
        return {**panel, "steps": self.steps, "width": self.width}


def binned(runs: Sequence[Sequence[Line]]) -> Binned:
    """The lines of the runs in bins of equal width; without any line there are no bins."""
    last = max((line["step"] for run in runs for line in run), default=0)
    width = max(1, -(-last // BINS))
    parts: list[list[Line]] = [[] for _ in range(-(-last // width))]
    for line in (line for run in runs for line in run):
        parts[(line["step"] - 1) // width].append(line)
    return Binned(parts, [round(width * (i + 0.5) + 0.5, 1) for i in range(len(parts))], width)


def line_panel(title: str, found: Sequence[Sequence[float]], top: int | None) -> dict[str, Any]:
    """A panel with the mean of each bin, None where a bin has no value; `top` ends its axis, None: where values do."""
    values = [round(fmean(part), 5) if part else None for part in found]
    return {"kind": "line", "title": title, "values": values, "top": top}
