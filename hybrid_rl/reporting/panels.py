"""decisions.jsonl of the runs of an arm -> what its method did over training, in bins of steps. Pure.

Knows the notes that methods leave, by name, and no method: an arm has the panels that its notes feed.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from hybrid_rl.reporting.decisions import noted

BINS = 30
SHARES = 10  # rows of the heat map above the row of no prefix
_SCALARS = {"p": "probability of SFT", "buffer": "questions in the buffer"}

Line = Mapping[str, Any]


def panels(runs: Sequence[Sequence[Line]]) -> list[dict[str, Any]]:
    """JSON values, one per panel, of kind `line` or `heat`: per bin the middle step and a value, None for none."""
    last = max((line["step"] for run in runs for line in run), default=0)
    if not last:
        return []
    width = max(1, -(-last // BINS))
    bins: list[list[Line]] = [[] for _ in range(-(-last // width))]
    for run in runs:
        for line in run:
            bins[(line["step"] - 1) // width].append(line)
    steps = [round(width * (i + 0.5) + 0.5, 1) for i in range(len(bins))]
    return [{**panel, "steps": steps, "width": width} for panel in _panels(bins)]


def _panels(bins: Sequence[Sequence[Line]]) -> Iterator[dict[str, Any]]:
    kinds = {line["kind"] for part in bins for line in part}
    if len(kinds) == 2:
        shares = [_mean([float(line["kind"] == "sft") for line in part]) for part in bins]
        yield {"kind": "line", "title": "share of SFT updates", "values": shares, "top": 1}
    for key, label in _SCALARS.items():
        found = [
            [n[key] for line in part if (n := noted(line)).get(key) is not None] for part in bins
        ]
        if any(found):
            top = 1 if key == "p" else None
            yield {"kind": "line", "title": label, "values": list(map(_mean, found)), "top": top}
    groups = [[group for line in part for group in line["groups"]] for part in bins]
    if any(groups):
        mixed = [[float(0 < g["correct"] < g["size"]) for g in part] for part in groups]
        title = "groups with correct and wrong rollouts"
        yield {"kind": "line", "title": title, "values": list(map(_mean, mixed)), "top": 1}
    if any("prefix_share" in group["note"] for part in groups for group in part):
        yield {
            "kind": "heat",
            "title": "share of the expert's trace given (anchor)",
            "rows": ["none", *(f"to {(i + 1) / SHARES:.0%}" for i in range(SHARES))],
            "values": [_heat(part) for part in groups],
        }


def _heat(groups: Sequence[Line]) -> list[float] | None:
    """Share of groups per row: none given, then tenths of the trace."""
    if not groups:
        return None
    counts = [0] * (SHARES + 1)
    for group in groups:
        share = group["note"].get("prefix_share", 0.0)
        counts[0 if share <= 0 else min(SHARES, 1 + int(share * SHARES - 1e-9))] += 1
    return [round(count / len(groups), 4) for count in counts]


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 5) if values else None
