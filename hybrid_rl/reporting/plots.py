"""Curves of one run, and of the arms of a comparison, drawn by Matplotlib; no other file draws pictures."""

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from math import isfinite
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Shape
from matplotlib.ticker import MaxNLocator

from hybrid_rl.reporting.comparison.cost_curves import MeanPoint

# Okabe and Ito's colours: the colour-blind can tell them apart.
GREY = "#DDDDDD"
Style = tuple[str, str]
"""The colour of a curve and the marker of its points."""
BLUE, ORANGE, GREEN = ("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^")

ARMS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C564B")
"""The colours of arms; more arms than that have them again, dashed, then dotted."""

_STRETCHES = 2000
"""Stretches of a thinned curve; a picture is a thousand pixels wide."""

_MOST_SPANS = 100
"""Stretches of SFT steps that are drawn each alone. Methods that alternate have thousands, and matplotlib takes
milliseconds for each, most of them to find a place for the legend: then all are one shape."""

Line = Mapping[str, Any]
Point = tuple[float, float]
"""A step, and the value there."""


def write(metrics: Sequence[Line], progress: Sequence[Line], directory: Path) -> list[Path]:
    """Writes the plots for which there are numbers; returns their paths in the order of reading."""
    directory.mkdir(parents=True, exist_ok=True)
    figures = {"training": _training(metrics), "dev": _dev(metrics, progress)}
    figures |= {"length": _length(metrics), "policy": _policy(metrics)}
    written = {directory / f"{name}.png": figure for name, figure in figures.items() if figure}
    for path, figure in written.items():
        figure.savefig(path, dpi=120)
    return list(written)


def write_arms(
    curves: Mapping[str, Sequence[MeanPoint]], path: Path, spending: str, accuracy: str
) -> None:
    """Draws the mean curve of every arm with a band from its lowest to its highest run; the suffix names the format."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for index, (name, points) in enumerate(curves.items()):
        colour, dashes = ARMS[index % len(ARMS)], ("-", "--", ":")[index // len(ARMS) % 3]
        spent = [point.spent for point in points]
        means = [point.mean for point in points]
        axes.plot(spent, means, color=colour, linestyle=dashes, linewidth=1.6, label=name)
        low, high = [point.low for point in points], [point.high for point in points]
        axes.fill_between(spent, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(spending)
    axes.set_ylabel(accuracy)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _training(metrics: Sequence[Line]) -> Figure | None:
    """The reward and fraction correct of RL steps above, the loss of SFT steps below; None without a step."""
    rl = [line for line in metrics if line["kind"] == "rl"]
    sft = [line for line in metrics if line["kind"] == "sft"]
    if not metrics:
        return None
    figure, panels = _figure(bool(rl) + bool(sft))
    if rl:
        # The lower curve is wide: where the reward is 0 or 1 the two lie on each other, and both must be seen.
        _curve(panels[0], rl, "reward_mean", "reward, mean", BLUE, width=4.5)
        _curve(panels[0], rl, "correct_mean", "fraction correct", ORANGE)
        # From 0, so that a little noise does not look like a fall; a negative reward has its room below.
        panels[0].set_ylim(bottom=min(0.0, panels[0].get_ylim()[0]) if _below_zero(rl) else 0)
        _finish(panels[0], metrics, "Training: reward", "of trained rollouts")
    if sft:
        _curve(panels[-1], sft, "loss", "loss of SFT steps", GREEN)
        _finish(panels[-1], metrics, "Training: supervised loss", "nats per token")
    return figure


def _dev(metrics: Sequence[Line], progress: Sequence[Line]) -> Figure | None:
    """The accuracies on dev during training with their intervals; None without an evaluation."""
    if not progress:
        return None
    figure, (axes,) = _figure(1)
    for key, label, style in (("greedy", "greedy", BLUE), ("avg", "mean of samples", ORANGE)):
        lines = [line for line in progress if key in line]
        _curve(axes, lines, key, label, style)
        banded = [line for line in lines if f"{key}_low" in line]
        names = ("step", f"{key}_low", f"{key}_high")
        steps, low, high = ([line[name] for line in banded] for name in names)
        axes.fill_between(steps, low, high, color=style[0], alpha=0.15, linewidth=0)
    axes.set_ylim(-0.03, 1.03)
    _finish(axes, metrics, "Dev questions during training", "accuracy, 95 % interval")
    return figure


def _length(metrics: Sequence[Line]) -> Figure | None:
    """The length of completions above, the share of truncated ones below; None without an RL step."""
    rl = [line for line in metrics if line["kind"] == "rl"]
    if not rl:
        return None
    figure, (upper, lower) = _figure(2)
    _curve(upper, rl, "completion_tokens_mean", "completion length, mean", BLUE)
    upper.set_ylim(bottom=0)
    _curve(lower, rl, "truncated_rate", "cut at the length limit", ORANGE)
    lower.set_ylim(-0.03, 1.03)
    _finish(upper, metrics, "Completions of trained rollouts", "tokens")
    _finish(lower, metrics, "", "share of rollouts")
    return figure


def _policy(metrics: Sequence[Line]) -> Figure | None:
    """The entropy of the policy above, its KL to the reference model below, each where it was recorded; else None."""
    rl = [line for line in metrics if line["kind"] == "rl"]
    named = (("entropy", "entropy", BLUE), ("kl", "KL to the reference", ORANGE))
    shown = [one for one in named if any(line.get(one[0]) is not None for line in rl)]
    if not shown:
        return None
    figure, panels = _figure(len(shown))
    for panel, (key, label, style) in zip(panels, shown, strict=True):
        _curve(panel, rl, key, label, style)
        panel.set_ylim(bottom=0)
        _finish(panel, metrics, "" if panel is not panels[0] else "The policy", "nats per token")
    return figure


def _below_zero(lines: Sequence[Line]) -> bool:
    return any((line.get("reward_mean") or 0) < 0 for line in lines)


def _figure(rows: int) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels below each other, over one axis of optimizer steps."""
    figure = Figure(figsize=(8, 1.2 + 2.8 * rows), layout="constrained")
    panels: list[Axes] = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])
    panels[-1].set_xlabel("optimizer step")
    return figure, panels


def _curve(
    axes: Axes, lines: Sequence[Line], key: str, label: str, style: Style, width: float = 1.4
) -> None:
    """Draws `key` of all lines that have it against their steps, with markers only where points are few."""
    found = thinned([(line["step"], line[key]) for line in lines if line.get(key) is not None])
    if found:
        look: dict[str, Any] = {"color": style[0], "marker": style[1] if len(found) <= 60 else ""}
        look |= {"markersize": 2.1 + width, "linewidth": width, "label": label}
        axes.plot(*zip(*found, strict=True), **look)


def thinned(points: Sequence[Point]) -> Sequence[Point]:
    """The points of a curve, without those of a long one that nobody can see.

    Of each two thousandth of it, less than a pixel wide, the first, lowest, highest and last point stay.
    """
    if len(points) <= 4 * _STRETCHES or not all(isfinite(value) for _, value in points):
        return points
    ends = [len(points) * i // _STRETCHES for i in range(_STRETCHES + 1)]
    kept: list[Point] = []
    for first, last in pairwise(ends):
        part = range(first, last)
        low, high = (chosen(part, key=lambda i: points[i][1]) for chosen in (min, max))
        kept += [points[i] for i in sorted({first, low, high, last - 1})]
    return kept


def _finish(axes: Axes, metrics: Sequence[Line], title: str, unit: str) -> None:
    """Adds title, unit, grid and legend, and grey where steps were SFT in a run that had both kinds."""
    stretches = [list(lines) for _, lines in groupby(metrics, key=lambda line: line["kind"])]
    ends = [
        (lines[0]["step"] - 0.5, lines[-1]["step"] + 0.5)
        for lines in (stretches if len(stretches) > 1 else ())
        if lines[0]["kind"] == "sft"
    ]
    look: dict[str, Any] = {"color": GREY, "zorder": 0, "linewidth": 0}
    if len(ends) > _MOST_SPANS:
        spans = [Shape([(a, 0), (a, 1), (b, 1), (b, 0), (a, 0)], closed=True) for a, b in ends]
        look |= {"transform": axes.get_xaxis_transform(), "label": "SFT steps"}
        axes.add_patch(PathPatch(Shape.make_compound_path(*spans), **look))
    else:
        for place, (first, last) in enumerate(ends):
            axes.axvspan(first, last, label=None if place else "SFT steps", **look)
    axes.set_title(title)
    axes.set_ylabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
