"""Curves of one run as PNG files, drawn by Matplotlib; no other file draws pictures."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours: the colour-blind can tell them apart.
GREY = "#DDDDDD"
Style = tuple[str, str]
"""The colour of a curve and the marker of its points."""
BLUE, ORANGE, GREEN = ("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^")

Line = Mapping[str, Any]


def write(metrics: Sequence[Line], progress: Sequence[Line], directory: Path) -> list[Path]:
    """Writes the plots for which there are numbers; returns their paths in the order of reading."""
    directory.mkdir(parents=True, exist_ok=True)
    figures = {
        "training": _training(metrics),
        "dev": _dev(metrics, progress),
        "length": _length(metrics),
    }
    written = []
    for name, figure in figures.items():
        if figure is not None:
            path = directory / f"{name}.png"
            figure.savefig(path, dpi=120)
            written.append(path)
    return written


def _training(metrics: Sequence[Line]) -> Figure | None:
    """The reward and fraction correct of RL steps above, the loss of SFT steps below; None without a step."""
    rl = [line for line in metrics if line["kind"] == "rl"]
    sft = [line for line in metrics if line["kind"] == "sft"]
    rows = bool(rl) + bool(sft)
    if not rows:
        return None
    figure, panels = _figure(rows)
    if rl:
        # The lower curve is wide: where the reward is 0 or 1 the two lie on each other, and both must be seen.
        _curve(panels[0], rl, "reward_mean", "reward, mean", BLUE, width=4.5)
        _curve(panels[0], rl, "correct_mean", "fraction correct", ORANGE)
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
        steps, low, high = (
            [line[name] for line in banded] for name in ("step", f"{key}_low", f"{key}_high")
        )
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
    found = [(line["step"], line[key]) for line in lines if line.get(key) is not None]
    if found:
        color, marker = style
        axes.plot(
            *zip(*found, strict=True),
            color=color,
            marker=marker if len(found) <= 60 else "",
            markersize=2.1 + width,
            linewidth=width,
            label=label,
        )


def _finish(axes: Axes, metrics: Sequence[Line], title: str, unit: str) -> None:
    """Adds title, unit, grid and legend, and grey where steps were SFT in a run that had both kinds."""
    spans = list(_sft_spans(metrics))
    if len({line["kind"] for line in metrics}) == 2:
        for index, (first, last) in enumerate(spans):
            label = None if index else "SFT steps"
            axes.axvspan(first - 0.5, last + 0.5, color=GREY, zorder=0, linewidth=0, label=label)
    axes.set_title(title)
    axes.set_ylabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")


def _sft_spans(metrics: Sequence[Line]) -> Iterator[tuple[int, int]]:
    """Yields the first and last step of every stretch of SFT steps."""
    for kind, stretch in groupby(metrics, key=lambda line: line["kind"]):
        steps = [line["step"] for line in stretch]
        if kind == "sft":
            yield steps[0], steps[-1]
