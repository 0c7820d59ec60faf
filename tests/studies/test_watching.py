"""The bar of a study: how many of its runs have ended, and how far the others are."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hybrid_rl.studies import watching
from hybrid_rl.studies.jobs import Compose, Job
from hybrid_rl.studies.watching import Watch
from tests.studies.conftest import planned


def screen(terminal: bool = True, width: int = 160) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def trained(job: Job, step: int, **axes: Any) -> None:
    """A job whose last line of metrics is that of a step."""
    job.run.path.mkdir(parents=True, exist_ok=True)
    with job.run.metrics.open("a") as file:
        file.write(json.dumps({"step": step, **axes}) + "\n")


def looked(console: Console, watch: Watch, over: int, live: dict[int, Job]) -> str:
    """What a look adds to the screen."""
    before = len(shown(console))
    watch.look(over, live)
    if watch._bar is not None:
        watch._bar.refresh()
    return shown(console)[before:]


def test_the_bar_tells_the_runs_that_ended_and_how_far_the_others_are(
    tmp_path: Path, job_settings: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of four has ended, one is at step 70 of 140: 1.5 runs in 30 seconds, so 2.5 more in 50."""
    jobs = planned(tmp_path, job_settings).jobs
    clock = [100.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock[0])
    trained(jobs[0], 69)
    trained(jobs[0], 70)
    console = screen()
    with Watch(4, console) as watch:
        first = looked(console, watch, 0, {1: jobs[1]})
        assert "0/4 runs  rl seed 0: starting" in first
        assert "left" not in first
        clock[0] = 130.0
        words = "1/4 runs  0:50 left  base seed 0: 50%, step 70  rl seed 0: starting"
        assert words in looked(console, watch, 1, {0: jobs[0], 1: jobs[1]})
        trained(jobs[0], 140)
        clock[0] += 0.5  # too early for another look at the files
        assert "base seed 0: 50%" in looked(console, watch, 1, {0: jobs[0]})
        clock[0] += 0.5
        assert "base seed 0: evaluation" in looked(console, watch, 1, {0: jobs[0]})


def test_a_budget_that_ends_a_run_counts_for_its_share(
    tmp_path: Path, job_settings: Compose
) -> None:
    changes = {"common": ["method.group_size=4", "budget.generated_tokens=1000"]}
    jobs = planned(tmp_path, job_settings, **changes).jobs
    trained(jobs[1], 3, generated_tokens=250)
    console = screen()
    with Watch(4, console) as watch:
        assert "rl seed 0: 25%, step 3" in looked(console, watch, 0, {0: jobs[1]})


def test_what_is_too_long_for_the_terminal_is_cut(tmp_path: Path, job_settings: Compose) -> None:
    jobs = planned(tmp_path, job_settings).jobs
    console = screen(width=60)
    with Watch(4, console) as watch:
        assert "\u2026" in looked(console, watch, 0, dict(enumerate(jobs)))


def test_without_a_terminal_nothing_is_shown_and_no_file_is_read(
    tmp_path: Path, job_settings: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "last_of_jsonl", lambda path: pytest.fail(f"{path} is read"))
    console = screen(terminal=False)
    with Watch(4, console) as watch:
        assert (
            looked(console, watch, 0, dict(enumerate(planned(tmp_path, job_settings).jobs))) == ""
        )
