"""How training went, as the page draws it: a run's metrics as means over neighbouring steps."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from hybrid_rl.reporting.comparison.compare import BUDGETS

MEASURES = (
    *("reward_mean", "correct_mean", "entropy", "completion_tokens_mean"),
    *("kl", "truncated_rate"),
)
_MOST_POINTS = 100
"""A chart is some hundred pixels wide, and a run of ten thousand steps would make the page ten times as large."""


def columns(metrics: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """Returns at most a hundred points, by name: each measure as a mean, and what was spent at the last of its steps.

    Only RL steps count, since an SFT step samples nothing. A point that has no value of a name has None.
    """
    lines = [line for line in metrics if line.get("kind") == "rl"]
    size = -(-len(lines) // _MOST_POINTS) or 1
    points = [_point(lines[start : start + size]) for start in range(0, len(lines), size)]
    names = [name for name in (*BUDGETS, *MEASURES) if any(name in point for point in points)]
    return {name: [point.get(name) for point in points] for name in names}


def _point(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    last = lines[-1]
    found = {axis: _short(last[axis], 6) for axis in BUDGETS if last.get(axis) is not None}
    for name in MEASURES:
        values = [line[name] for line in lines if line.get(name) is not None]
        if values:
            found[name] = _short(fmean(values), 4)
    return found


def _short(value: float, digits: int) -> float:
    """The value with so many digits, as an integer where it is one: its text is what the page carries."""
    found = float(f"{value:.{digits}g}")
    return int(found) if found.is_integer() else found
