"""decisions.jsonl -> how the decisions of a run changed over the thirds of its steps, as a table.

Knows the notes that methods leave, by name, and no method; a method with other notes loses only their rows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from hybrid_rl.reporting.markdown import table

_MEANS = {
    "p": "probability of SFT, mean",
    "g_last": "gradient norm of SFT, smoothed, mean",
    "g_warmup": "its reference from the warm-up",
    "buffer": "questions in the buffer, mean",
}
"""Note of an update -> what it is; the mean over the updates that have it is shown."""
_TOTALS = {
    "solved": "left the buffer, solved meanwhile, so far",
    "expired": "left the buffer, too old, so far",
    "overflow": "left the buffer, no room, so far",
    "without_trace": "hardest questions without a trace, so far",
    "without_answer": "hardest questions whose rollouts were all truncated or unparseable, so far",
}
"""Note of an update that is a running total -> what it counts."""

Line = Mapping[str, Any]
Thirds = Sequence[Sequence[Line]]


def summary(lines: Sequence[Line]) -> list[str]:
    """Markdown; empty where there was nothing to decide: no steps, or SFT alone."""
    if not any(line["groups"] for line in lines):
        return []
    thirds = _thirds(lines)
    columns = ["", *(_steps(part[0]["step"], part[-1]["step"]) for part in thirds)]
    rows = [*_updates(thirds), *_groups(thirds), *_anchors(thirds)]
    return table(columns, rows)


def _thirds(lines: Sequence[Line]) -> Thirds:
    """Equal parts, up to one line; fewer than three where there are fewer lines."""
    parts = min(3, len(lines))
    ends = [round(i * len(lines) / parts) for i in range(parts + 1)]
    return [lines[first:last] for first, last in pairwise(ends)]


def _steps(first: int, last: int) -> str:
    return f"step {first}" if first == last else f"steps {first}-{last}"


def _updates(thirds: Thirds) -> Iterator[list[str]]:
    yield ["SFT updates", *(_share([line["kind"] == "sft" for line in part]) for part in thirds)]
    notes = [[noted(line) for line in part] for part in thirds]
    for key, label in _MEANS.items():
        found = [[n[key] for n in part if n.get(key) is not None] for part in notes]
        if any(found):
            yield [label, *map(_mean, found)]
    for key, label in _TOTALS.items():
        found = [[n[key] for n in part if key in n] for part in notes]
        if any(found):
            yield [label, *(f"{part[-1]:,}" if part else "-" for part in found)]
    ages = [[age for n in part for age in n.get("ages_epochs", ())] for part in notes]
    if any(ages):
        yield ["epochs in the buffer before being learned, mean", *map(_mean, ages)]


def _groups(thirds: Thirds) -> Iterator[list[str]]:
    """Groups of RL updates: which of them taught something, and what became of each."""
    groups = [[group for line in part for group in line["groups"]] for part in thirds]
    mixed = [[0 < group["correct"] < group["size"] for group in part] for part in groups]
    yield ["groups with correct and wrong rollouts", *map(_share, mixed)]
    outcomes = [[group["note"].get("outcome") for group in part] for part in groups]
    counts = Counter(outcome for part in outcomes for outcome in part if outcome is not None)
    for outcome, _ in counts.most_common():
        shares = [_share([found == outcome for found in part]) for part in outcomes]
        yield [f"groups: {outcome}", *shares]


def _anchors(thirds: Thirds) -> Iterator[list[str]]:
    """Where in the expert's solution the student took over."""
    notes = [
        [
            group["note"]
            for line in part
            for group in line["groups"]
            if "prefix_share" in group["note"]
        ]
        for part in thirds
    ]
    if not any(notes):
        return
    yield ["anchor: episodes given, mean", *(_mean([n["anchor"] for n in p]) for p in notes)]
    yield ["of so many episodes, mean", *(_mean([n["episodes"] for n in p]) for p in notes)]
    shares = [[n["prefix_share"] for n in part] for part in notes]
    yield ["share of the expert's tokens given, mean", *map(_mean, shares)]
    shown = [[n["shows_answer"] for n in part] for part in notes]
    yield ["prefixes in which the answer appears", *map(_share, shown)]


def noted(line: Line) -> dict[str, Any]:
    """The note of an update; of a method made of two, those of both."""
    found: dict[str, Any] = {}
    for key, value in line["note"].items():
        found |= value if isinstance(value, dict) else {key: value}
    return found


def _share(facts: Sequence[bool]) -> str:
    return f"{sum(facts):,} of {len(facts):,} ({sum(facts) / len(facts):.0%})" if facts else "-"


def _mean(values: Sequence[float]) -> str:
    return f"{fmean(values):.3g}" if values else "-"
