"""What a method decided over training, from decisions.jsonl: a table for one run, panels for the runs of an arm.

It knows no method and none of its notes: what a note is called and how it is summed up stands in notes.json, which a
run writes from `Method.notes`. Rows on kinds of updates and on groups need no label and come first.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from hybrid_rl.methods.base import Note
from hybrid_rl.recording.files import each_jsonl, fitting, read_json
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting.binning import Line, binned, line_panel
from hybrid_rl.reporting.markdown import table

TENTHS = 10
"""Rows of a heat map above the row of the groups that have no such note."""
UNLABELLED = (
    "What the method noted about its decisions is in decisions.jsonl alone: this run has no notes.json, which says"
    " what the notes mean."
)

_SHOWN = ("correct", "size", "note")
"""What is looked at of a group."""

Notes = Mapping[str, Note]
Parts = Sequence[Sequence[Line]]
"""The lines of a log, cut into consecutive parts."""


def read_notes(directory: RunDir) -> Notes | None:
    """The labels of a run's notes; None for a run of a version that wrote none."""
    if not directory.notes.exists():
        return None
    path = directory.notes
    found: dict[str, Note] = fitting(path, read_json(path), dict[str, Note])
    return found


def read(directory: RunDir) -> list[dict[str, Any]]:
    """The decisions of a run, without what is not shown of their groups: a long run has hundreds of thousands."""
    return [
        {**line, "groups": [{key: group[key] for key in _SHOWN} for group in line["groups"]]}
        for line in each_jsonl(directory.decisions)
    ]


def summary(lines: Sequence[Line], notes: Notes | None) -> list[str]:
    """The decisions of a run by thirds of its steps, in Markdown; empty where it has no steps, or SFT alone."""
    if not any(line["groups"] for line in lines):
        return []
    thirds = _thirds(lines)
    columns = ["", *(_steps(part[0]["step"], part[-1]["step"]) for part in thirds)]
    rows = [
        ["SFT updates", *(_share(_supervised(part)) for part in thirds)],
        *_rows(thirds, notes or {}, "update"),
        ["groups with correct and wrong rollouts", *(_share(_mixed(part)) for part in thirds)],
        *_rows(thirds, notes or {}, "group"),
    ]
    noted = any(_noted(line, "update") or _noted(line, "group") for line in lines)
    return table(columns, rows) + (["", UNLABELLED] if noted and notes is None else [])


def panels(runs: Sequence[Sequence[Line]], notes: Notes) -> list[dict[str, Any]]:
    """The decisions of an arm's runs, in bins of steps: JSON values, one per panel.

    A panel of kind `line` has a value per bin, one of kind `heat` a list of shares; None stands for a bin without any.
    """
    bins = binned(runs)
    return [bins.placed(panel) for panel in _panels(bins.parts, notes)] if bins.parts else []


def _thirds(lines: Sequence[Line]) -> Parts:
    """Equal parts, up to one line; fewer than three where there are fewer lines."""
    parts = min(3, len(lines))
    ends = [round(i * len(lines) / parts) for i in range(parts + 1)]
    return [lines[first:last] for first, last in pairwise(ends)]


def _steps(first: int, last: int) -> str:
    return f"step {first}" if first == last else f"steps {first}-{last}"


def _rows(thirds: Parts, notes: Notes, of: str) -> Iterator[list[str]]:
    """A row for every labelled note that occurs; for a note that is a word, one for every word."""
    for name, note in notes.items():
        found = [_values(part, name, note) for part in thirds] if note.of == of else []
        if not any(found):
            continue
        kinds = {type(value) for part in found for value in part}
        if note.kind == "total":
            yield [f"{note.label}, so far", *(f"{p[-1]:,}" if p else "-" for p in found)]
        elif note.kind == "share" and kinds == {str}:
            words = Counter(word for part in found for word in part)
            for word, _ in words.most_common():
                yield [f"{note.label}: {word}", *(_share([w == word for w in p]) for p in found)]
        elif note.kind == "share" and kinds == {bool}:
            yield [note.label, *map(_share, found)]
        else:
            yield [f"{note.label}, mean", *(f"{fmean(p):.3g}" if p else "-" for p in found)]


def _share(facts: Sequence[bool]) -> str:
    return f"{sum(facts):,} of {len(facts):,} ({sum(facts) / len(facts):.0%})" if facts else "-"


def _panels(bins: Parts, notes: Notes) -> Iterator[dict[str, Any]]:
    if len({line["kind"] for part in bins for line in part}) == 2:
        yield line_panel("share of SFT updates", [_supervised(part) for part in bins], top=1)
    yield from _note_panels(bins, notes, "update")
    mixed = [_mixed(part) for part in bins]
    if any(mixed):
        yield line_panel("groups with correct and wrong rollouts", mixed, top=1)
    yield from _note_panels(bins, notes, "group")


def _note_panels(bins: Parts, notes: Notes, of: str) -> Iterator[dict[str, Any]]:
    """A panel for every labelled note that occurs and is a number or a fact."""
    for name, note in notes.items():
        found = [_values(part, name, note) for part in bins] if note.of == of else []
        kinds = {type(value) for part in found for value in part}
        if not kinds or str in kinds:
            continue
        if note.kind == "share" and of == "group" and kinds != {bool}:
            rows = ["none", *(f"to {(i + 1) / TENTHS:.0%}" for i in range(TENTHS))]
            heats = [_heat(part, name) for part in bins]
            yield {"kind": "heat", "title": note.label, "rows": rows, "values": heats}
        else:
            yield line_panel(note.label, found, top=1 if note.kind == "share" else None)


def _heat(part: Sequence[Line], name: str) -> list[float] | None:
    """The share of groups per row: those without the note, then by tenths of its value."""
    shares = [group["note"].get(name) or 0.0 for line in part for group in line["groups"]]
    if not shares:
        return None
    rows = Counter(min(TENTHS, 1 + int(s * TENTHS - 1e-9)) if s > 0 else 0 for s in shares)
    return [round(rows[row] / len(shares), 4) for row in range(TENTHS + 1)]


def _supervised(part: Sequence[Line]) -> list[bool]:
    return [line["kind"] == "sft" for line in part]


def _mixed(part: Sequence[Line]) -> list[bool]:
    """One fact per group: whether something was learned from it, since it has correct and wrong rollouts."""
    return [0 < group["correct"] < group["size"] for line in part for group in line["groups"]]


def _values(part: Sequence[Line], name: str, note: Note) -> list[Any]:
    """The values of a note; a list counts as all that is in it."""
    found = [noted[name] for line in part for noted in _noted(line, note.of) if name in noted]
    lists = [one if isinstance(one, list) else [one] for one in found if one is not None]
    return [value for values in lists for value in values]


def _noted(line: Line, of: str) -> list[dict[str, Any]]:
    """The notes of an update, or of its groups, that are not empty; those of a method's parts are taken out of them."""
    flat = []
    for note in [line["note"]] if of == "update" else [group["note"] for group in line["groups"]]:
        found: dict[str, Any] = {}
        for key, value in note.items():
            found |= value if isinstance(value, dict) else {key: value}
        flat += [found] if found else []
    return flat
