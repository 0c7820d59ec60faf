"""A study of two arms and two seeds, as the tests of this folder plan it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.config.study import StudySettings, load_study
from hybrid_rl.execution import launch
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.studies import directory as directory_
from hybrid_rl.studies import study
from tests.conftest import Load

TWO: dict[str, Any] = {
    "name": "two",
    "arms": {"base": ["method=sft_then_grpo"], "rl": ["method=grpo"]},
    "seeds": [0, 1],
    "reference": None,
    "common": ["method.group_size=4"],
    "target": None,
    "jobs": 1,
}


def defined(**changes: Any) -> StudySettings:
    return load_study(TWO | changes, [])


@pytest.fixture
def job_settings(load: Load) -> study.Compose:
    """As the command line makes them, of what is typed for one job."""

    def compose(overrides: Sequence[str]) -> Settings:
        return load(*overrides)

    return compose


def planned(directory: Path, compose: study.Compose, **changes: Any) -> study.Study:
    return study.plan(defined(**changes), [], directory, compose)


def claim(made: study.Study) -> None:
    directory_.claim(made.directory, made.definition.definition(made.extra))


def begun(job: study.Job) -> RunDir:
    return launch.prepare(job.settings, ["hybrid-rl"], job.run.path)
