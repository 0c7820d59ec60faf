"""The time and the price of runs and studies in rows, with step times that are given."""

from dataclasses import replace
from pathlib import Path

import pytest

from hybrid_rl.errors import SettingsError
from hybrid_rl.studies import calibration
from hybrid_rl.studies.calibration import Planned, rows_of_run, rows_of_study
from hybrid_rl.studies.study import Compose
from hybrid_rl.tools.calibration.prediction import Measured, predict
from tests.conftest import Load
from tests.studies.conftest import planned, tuned

RL = Measured({"rl": {"steps": 1.0, "seconds": 36.0}}, {"rl": 3}, 0.0, {}, 0.0, None)


def test_a_run_has_a_row_for_all_that_takes_time_and_its_price(load: Load) -> None:
    """100 steps of 36 s on two devices are two device hours, at 2.50 each."""
    settings = load(
        "method=grpo", "train.steps=100", "train.eval_every=null", "price_per_device_hour=2.5",
        "hardware.processes=2",
    )  # fmt: skip
    rows = list(rows_of_run(settings, RL, predict(settings, RL)))
    assert rows[0] == ("training", "60 min", "100 RL x 36 s (3 made)")
    assert rows[-3][:2] == ("wall time", "60 min")
    assert rows[-2:] == [
        ("device hours", "2", "x 2 devices"),
        ("price", "5.00", "at 2.5 per device hour"),
    ]


def test_steps_that_take_more_at_the_beginning_are_told(load: Load) -> None:
    settings = load("method=grpo", "train.steps=100", "train.eval_every=null")
    slow = replace(RL, beginning_seconds=60.0)
    rows = list(rows_of_run(settings, slow, predict(settings, slow)))
    how = "100 RL x 36 s (3 made) + 60.0 s more at the beginning"
    assert rows[0] == ("training", "61 min", how)


def test_a_study_has_its_trials_and_its_jobs_side_by_side(
    tmp_path: Path, job_settings: Compose
) -> None:
    """Two arms with 3 trials x 2 seeds each, then with 2 seeds: 12 and 4 hours, two at a time."""
    made = planned(tmp_path, job_settings, tune=tuned(), jobs=2)
    step = {"steps": 1.0, "seconds": 3600.0 / made.jobs[0].settings.train.steps}
    hour = Measured({"rl": step, "sft": step}, {"rl": 3, "sft": 3}, 0.0, {}, 0.0, None)
    what = Planned(made.definition, made.jobs, made.written, None)
    assert list(rows_of_study(what, {"base": hour, "rl": hour}, 3.0)) == [
        ("tuning base", "6", "60 min", "6"),
        ("tuning rl", "6", "60 min", "6"),
        ("base", "2", "60 min", "2"),
        ("rl", "2", "60 min", "2"),
        ("wall time", "", "8.0 h", "2 at a time"),
        ("device hours", "", "16", "all runs together"),
        ("price", "", "48.00", "at 3 per device hour"),
    ]


def test_a_run_that_follows_another_ones_decisions_is_not_begun(load: Load) -> None:
    settings = load("method=sasr", "method.control=shuffled", "method.paired_run=../other")
    with pytest.raises(SettingsError, match="calibrate that one"):
        calibration.calibrate_run(settings)
