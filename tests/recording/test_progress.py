"""Progress on a terminal and elsewhere, phases, and what is silenced."""

import io
import logging
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from hybrid_rl.evaluation import scores
from hybrid_rl.recording import progress as progress_module
from hybrid_rl.recording.progress import Pace, Progress, _state, time
from tests.fakes.summaries import summary


def line(step: int, kind: str = "rl", seconds: float | None = None) -> dict[str, Any]:
    """A line of metrics.jsonl at 2 seconds and 300 tokens per step."""
    return {
        "step": step,
        "kind": kind,
        "loss": 1.25,
        "reward_mean": 0.5,
        "wall_seconds": 2.0 * step if seconds is None else seconds,
        "generated_tokens": 200 * step,
        "trained_tokens": 100 * step,
    }


def plain() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=120)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)


def text(made: Console) -> str:
    assert isinstance(made.file, io.StringIO)
    return made.file.getvalue()


def test_speed_and_time_left_come_from_the_last_steps() -> None:
    pace = Pace(100)
    for step in range(1, 41):
        pace.add(line(step, seconds=10.0 * step if step <= 20 else 200.0 + (step - 20)))
    assert pace.tokens_per_second == pytest.approx(300)
    assert pace.seconds_left == pytest.approx(60)


def test_without_a_terminal_ten_lines_tell_of_a_run(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), Progress(40, plain()) as progress:
        for step in range(1, 41):
            progress.update(line(step, kind="sft" if step <= 8 else "rl"))
    assert caplog.messages[:4] == [
        "step 1 of 40: first SFT update",
        "step 4 of 40: SFT  loss 1.250  150 tokens/s  1:12 left",
        "step 8 of 40: SFT  loss 1.250  150 tokens/s  1:04 left",
        "step 9 of 40: first RL update",
    ]
    assert len(caplog.messages) == 12
    assert caplog.messages[-1] == "step 40 of 40: RL   reward 0.500  150 tokens/s  0:00 left"


def test_a_budget_that_ends_a_run_counts_for_its_lines_and_the_time_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """200 tokens in 2 seconds a step: 1,200 are over after 6 of 5,000 steps."""
    limits = {"generated_tokens": 1200, "flops": None}
    with caplog.at_level(logging.INFO), Progress(5000, plain(), limits) as progress:
        for step in range(1, 7):
            progress.update(line(step))
    told = [message for message in caplog.messages if "tokens/s" in message]
    assert len(told) == 6
    assert told[2] == "step 3 of 5000: RL   reward 0.500  150 tokens/s  0:06 left"
    assert told[5].endswith("0:00 left")


def test_a_short_run_has_a_line_per_step(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), Progress(2, plain()) as progress:
        progress.update(line(1))
        progress.update(line(2))
    assert [message for message in caplog.messages if "tokens/s" in message] == [
        "step 1 of 2: RL   reward 0.500  150 tokens/s  0:02 left",
        "step 2 of 2: RL   reward 0.500  150 tokens/s  0:00 left",
    ]


def test_on_a_terminal_a_bar_tells_it(caplog: pytest.LogCaptureFixture) -> None:
    made = terminal()
    with caplog.at_level(logging.INFO), Progress(40, made) as progress:
        progress.update(line(4))
        assert progress._bar is not None
        progress._bar.refresh()
    assert "4/40 RL   reward 0.500  150 tokens/s  1:12 left" in text(made)
    assert caplog.messages == ["step 4 of 40: first RL update"]


def test_log_lines_go_above_the_bar_and_back_to_their_stream() -> None:
    stream, made = io.StringIO(), terminal()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        with Progress(40, made):
            logging.getLogger("hybrid_rl").warning("[above] the bar")
        logging.getLogger("hybrid_rl").warning("after it")
    finally:
        logging.getLogger().removeHandler(handler)
    assert "[above] the bar" in text(made)
    assert stream.getvalue() == "after it\n"


def test_length_entropy_and_the_last_look_at_dev_are_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown = {**line(1), "completion_tokens_mean": 53.4, "entropy": 0.314}
    made = terminal()
    with caplog.at_level(logging.INFO), Progress(40, made) as progress:
        progress.dev(0, 0.125)
        progress.update(shown)
        progress.dev(1, 0.5)
        progress.update(line(2, kind="sft"))
        assert progress._bar is not None
        progress._bar.refresh()
    words = "RL   reward 0.500  length 53  entropy 0.31  dev 0.125  150 tokens/s"
    assert _state(shown, progress.pace, 0.125).startswith(words)
    assert "2/40 SFT  loss 1.250  dev 0.500  150 tokens/s" in text(made)
    assert caplog.messages[0] == "step 0 of 40: dev 0.125"
    assert _state({**line(1), "entropy": None}, progress.pace).startswith("RL   reward 0.500  150")


def test_hours_are_shown_where_there_are_any() -> None:
    pace = Pace(5000)
    pace.add(line(1))
    assert _state(line(1), pace).endswith("2:46:38 left")


def test_a_phase_has_a_line_at_each_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 13.25])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with (
        caplog.at_level(logging.INFO),
        progress_module.phase("evaluation before training") as phase,
    ):
        phase.result = scores.in_words({"hard": summary(0.25)}, 64)
    assert caplog.messages == [
        "evaluation before training: start",
        "evaluation before training: done in 3.2 s: hard 0.250",
    ]


def test_the_console_loads_nothing_heavy() -> None:
    code = "import sys, hybrid_rl.recording.progress;"
    code += " print([m for m in ('torch', 'transformers', 'trl') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
