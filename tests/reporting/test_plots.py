"""The pictures of a run."""

import math
from pathlib import Path

from hybrid_rl.reporting import plots
from hybrid_rl.reporting.comparison.cost_curves import MeanPoint
from tests.fakes import recorded


def test_equal_curves_are_both_seen_and_steps_are_whole() -> None:
    lines = [{**recorded.metrics(step, "rl"), "correct_mean": step / 16} for step in (1, 2)]
    figure = plots._training(lines)
    assert figure is not None
    (axes,) = figure.axes
    reward, correct = axes.get_lines()
    assert reward.get_linewidth() >= 2 * correct.get_linewidth()
    assert reward.get_zorder() <= correct.get_zorder()
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_stretches_of_sft_are_grey_in_a_run_of_both_kinds() -> None:
    kinds = ["sft", "sft", "rl", "sft", "rl"]
    lines = [recorded.metrics(step, kind) for step, kind in enumerate(kinds, start=1)]
    figure = plots._training(lines)
    assert figure is not None
    reward, loss = figure.axes
    for axes in (reward, loss):
        spans = [(span.get_x(), span.get_x() + span.get_width()) for span in axes.patches]
        assert spans == [(0.5, 2.5), (3.5, 4.5)]


def test_many_stretches_of_sft_are_one_shape() -> None:
    lines = [recorded.metrics(step, "rl" if step % 2 else "sft") for step in range(1, 301)]
    figure = plots._training(lines)
    assert figure is not None
    for axes in figure.axes:
        [grey] = axes.patches
        corners = grey.get_path().to_polygons()
        spans = [(min(x for x, _ in one), max(x for x, _ in one)) for one in corners]
        assert spans == [(step - 0.5, step + 0.5) for step in range(2, 301, 2)]
        assert [text.get_text() for text in axes.get_legend().get_texts()].count("SFT steps") == 1


def test_a_long_curve_keeps_what_can_be_seen_of_it() -> None:
    """Of 2000 stretches of 10 points each the first, the lowest, the highest and the last stay."""
    values = [(step * 7919) % 1000 / 10 for step in range(20_000)]
    points = list(enumerate(values))
    kept = plots.thinned(points)
    assert len(kept) <= 8000
    assert set(kept) <= set(points)
    assert [step for step, _ in kept] == sorted({step for step, _ in kept})
    for first in range(0, 20_000, 10):
        part = points[first : first + 10]
        there = [point for point in kept if first <= point[0] < first + 10]
        assert (there[0], there[-1]) == (part[0], part[-1])
        assert min(value for _, value in there) == min(value for _, value in part)
        assert max(value for _, value in there) == max(value for _, value in part)


def test_a_curve_with_gaps_or_few_points_stays_as_it_is() -> None:
    points = [(step, float(step)) for step in range(9000)]
    assert plots.thinned(points[:8000]) == points[:8000]
    gap = [*points, (9000, math.nan)]
    assert plots.thinned(gap) is gap


def test_more_arms_than_colours_are_told_apart_by_dashes(tmp_path: Path) -> None:
    points = [MeanPoint(0, 0.1, 0.0, 0.2), MeanPoint(1e11, 0.5, 0.4, 0.7)]
    path = tmp_path / "a" / "curves.svg"
    plots.write_arms({f"arm_{n}": points for n in range(9)}, path, "FLOPs", "accuracy")
    text = path.read_text()
    assert text.count("stroke-dasharray") == 2  # the line of the ninth arm, and its key
    assert text.count("fill-opacity: 0.12") == 9
    plots.write_arms({"arm": points}, path.with_suffix(".png"), "FLOPs", "accuracy")
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_without_numbers_there_are_no_pictures(tmp_path: Path) -> None:
    assert plots.write([], [], tmp_path) == []


def test_the_reward_is_drawn_from_zero_and_below_it_where_it_is_negative() -> None:
    lines = [recorded.metrics(step, "rl") | {"reward_mean": 0.5 + step / 100} for step in (1, 2)]
    figure = plots._training(lines)
    assert figure is not None
    assert figure.axes[0].get_ylim()[0] == 0
    figure = plots._training([*lines, {**lines[0], "step": 3, "reward_mean": -0.5}])
    assert figure is not None
    assert figure.axes[0].get_ylim()[0] < -0.5


def test_entropy_and_kl_have_a_picture_where_they_were_recorded(tmp_path: Path) -> None:
    line = recorded.metrics(1, "rl")
    assert plots._policy([line]) is None
    figure = plots._policy([line | {"entropy": 0.4}])
    assert figure is not None
    assert len(figure.axes) == 1
    figure = plots._policy([line | {"entropy": 0.4, "kl": 0.01}])
    assert figure is not None
    assert [axes.get_legend_handles_labels()[1] for axes in figure.axes] == [
        ["entropy"], ["KL to the reference"]
    ]  # fmt: skip
    written = plots.write([line | {"entropy": 0.4}], [], tmp_path)
    assert [path.stem for path in written] == ["training", "length", "policy"]
