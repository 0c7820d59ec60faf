"""The pictures of a run."""

from pathlib import Path

from hybrid_rl.reporting import plots
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


def test_without_numbers_there_are_no_pictures(tmp_path: Path) -> None:
    assert plots.write([], [], tmp_path) == []
