"""Rollouts and decisions as tables of plain cells, for trackers that show tables; knows no tracker."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Cell = str | float | bool | None
_ROLLOUT = "step example_id group outcome reward advantage trained prompt prefix completion"
_SHOWN = {"example_id": "question", "prefix": "expert prefix"}


class Table(NamedTuple):
    """A table as every tracker can show it."""

    columns: list[str]
    rows: list[list[Cell]]


def of_rollouts(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The lines of rollouts/step_N.jsonl as a table, a row each."""
    keys = _ROLLOUT.split()
    return Table(
        [_SHOWN.get(key, key) for key in keys], [[row.get(key) for key in keys] for row in rows]
    )


def of_decisions(lines: Sequence[Mapping[str, Any]]) -> Table:
    """The lines of decisions.jsonl as a table, a row per optimizer step; the counts are of groups."""
    columns = ["step", "kind", "groups", "all correct", "all wrong", "with prefix", "left out"]
    return Table([*columns, "prefix tokens, mean", "note"], [_decision(line) for line in lines])


def numbers(note: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that a method notes with its decision, as metrics: method/<name>."""
    return {
        f"method/{name}": float(value)
        for name, value in note.items()
        if isinstance(value, int | float)
    }


def _decision(line: Mapping[str, Any]) -> list[Cell]:
    groups = line["groups"]
    prefixes = [group["prefix_tokens"] for group in groups if group["prefix_tokens"]]
    return [
        line["step"],
        line["kind"],
        len(groups),
        sum(group["correct"] == group["size"] for group in groups),
        sum(group["correct"] == 0 for group in groups),
        len(prefixes),
        sum(not group["trained"] for group in groups),
        sum(prefixes) / len(prefixes) if prefixes else None,
        json.dumps(line["note"], ensure_ascii=False),
    ]
