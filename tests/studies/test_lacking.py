"""Settings for all arms that the method of one arm lacks."""

import logging
from pathlib import Path

import pytest

from hybrid_rl.errors import SettingsError
from hybrid_rl.studies import study
from tests.studies.conftest import planned

ARMS = {"rl": ["method=grpo"], "sft": ["method=sft"], "bread": ["method=bread"]}


def test_a_common_setting_is_left_out_for_the_arm_whose_method_lacks_it_and_that_is_said_once(
    tmp_path: Path, job_settings: study.Compose, caplog: pytest.LogCaptureFixture
) -> None:
    common = ["method.group_size=4", "method.episodes=5", "train.steps=3"]
    with caplog.at_level(logging.INFO):
        made = planned(tmp_path, job_settings, arms=ARMS, common=common)
    typed = {job.arm: [word for word in job.typed if word in common] for job in made.jobs}
    assert typed == {
        "rl": ["method.group_size=4", "train.steps=3"],
        "sft": ["train.steps=3"],
        "bread": common,
    }
    assert caplog.messages == [
        "method.episodes=5 is for all arms, and left out for rl, sft, whose method has no such setting",
        "method.group_size=4 is for all arms, and left out for sft, whose method has no such setting",
    ]


def test_a_setting_that_no_method_has_is_refused(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    with pytest.raises(
        SettingsError, match=r"study\.arms\.rl: method\.grop_size = 4: no such setting"
    ):
        planned(tmp_path, job_settings, arms=ARMS, common=["method.grop_size=4"])
