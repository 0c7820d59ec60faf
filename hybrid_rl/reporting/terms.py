"""What the terms of a loss, and those of a reward, did over training, from metrics.jsonl: tables by thirds of steps.

It knows no method: a term of the loss is there where lines have `term/NAME/...`, which a method names, and one of the
reward where they have `reward/NAME`, which the settings name.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from statistics import fmean
from typing import Any

from hybrid_rl.reporting.binning import Line, binned, line_panel
from hybrid_rl.reporting.markdown import table

_MEASURES = {
    "p": "mean probability of its tokens",
    "entropy": "mean entropy of its tokens",
    "expert_share": "share of its tokens that are the expert's",
}
_MOVED = {
    "ratio_mean": "mean ratio of new to old probabilities, in updates after the first on a batch",
    "clip_fraction": "share of tokens that the clip holds, in the same updates",
}


def summary(lines: Sequence[Line]) -> list[str]:
    """The terms of a run in Markdown; empty where its losses were not sums of terms."""
    names = _names(lines)
    if not names:
        return []
    parts = _thirds(lines)
    rows = []
    for name in names:
        label = f"term {name}"
        rows.append(
            [f"{label}: share of the step", *(_told(_shares(part, name)) for part in parts)]
        )
        for measure, words in _MEASURES.items():
            found = [_values(part, f"term/{name}/{measure}") for part in parts]
            if any(found):
                rows.append([f"{label}: {words}", *map(_told, found)])
    for measure, words in _MOVED.items():
        found = [_values(part, measure) for part in parts]
        if any(found):
            rows.append([words, *map(_told, found)])
    return table(_headings(parts), rows)


def panels(runs: Sequence[Sequence[Line]]) -> list[dict[str, Any]]:
    """What drove the steps of an arm's runs, in bins of steps: JSON values, one per panel, as of `decisions.panels`.

    A term has its share of the step where there are several, and that of the expert's tokens where it has others too.
    """
    names = _names([line for run in runs for line in run])
    bins = binned(runs)
    found = []
    for name in names:
        shares = [_shares(part, name) for part in bins.parts]
        if len(names) > 1:
            found.append(line_panel(f"term {name}: share of the step", shares, top=1))
        expert = [_values(part, f"term/{name}/expert_share") for part in bins.parts]
        if any(0 < value < 1 for part in expert for value in part):
            of = f"of term {name}" if len(names) > 1 else "in the loss"
            found.append(line_panel(f"share of tokens {of} that are the expert's", expert, top=1))
    return [bins.placed(panel) for panel in found]


def _names(lines: Sequence[Line]) -> list[str]:
    """The names of the terms of the loss, in the order in which they come."""
    return list(dict.fromkeys(key.split("/")[1] for key in _keys(lines, "term/")))


def _keys(lines: Sequence[Line], start: str) -> list[str]:
    """The keys that begin so, in the order in which they come."""
    return [key for key in dict.fromkeys(chain.from_iterable(lines)) if key.startswith(start)]


def rewards(lines: Sequence[Line], reward: Mapping[str, Any]) -> list[str]:
    """The mean score of each term of the reward, before its weight, in Markdown; empty without such terms.

    `reward` are the settings of the reward.
    """
    keys = _keys(lines, "reward/")
    graded = [line for line in lines if any(key in line for key in keys)] if keys else []
    if not graded:
        return []
    parts = _thirds(graded)
    rows = [
        [
            f"{name}, weight {term['weight']:g}",
            *(_told(_values(part, f"reward/{name}")) for part in parts),
        ]
        for name, term in reward.get("terms", {}).items()
    ]
    return table(_headings(parts), rows)


def _thirds(lines: Sequence[Line]) -> list[Sequence[Line]]:
    size = -(-len(lines) // min(3, len(lines)))
    return [lines[first : first + size] for first in range(0, len(lines), size)]


def _headings(parts: Sequence[Sequence[Line]]) -> list[str]:
    return ["", *(f"steps {part[0]['step']}-{part[-1]['step']}" for part in parts)]


def _shares(part: Sequence[Line], name: str) -> list[float]:
    """Which share of the coefficients of each step's tokens, by absolute value, is the term's."""
    found = []
    for line in part:
        whole = sum(
            v for key, v in line.items() if key.startswith("term/") and key.endswith("/weight")
        )
        if whole:
            found.append(line.get(f"term/{name}/weight", 0.0) / whole)
    return found


def _values(part: Sequence[Line], key: str) -> list[float]:
    return [line[key] for line in part if line.get(key) is not None]


def _told(values: Sequence[float]) -> str:
    return f"{fmean(values):.3g}" if values else "-"
