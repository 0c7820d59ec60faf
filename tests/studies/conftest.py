"""A study of two arms and two seeds, as the tests of this folder plan it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.config.overrides import key_of
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
    "until": None,
    "most_seeds": None,
    "margin": None,
    "reference": None,
    "common": ["method.group_size=4"],
    "prepare": None,
    "primary": None,
    "after": {},
    "tune": None,
    "target": None,
    "jobs": 1,
}

_COMPOSED: dict[tuple[str, ...], Settings] = {}


def defined(**changes: Any) -> StudySettings:
    return load_study(TWO | changes, [])


@pytest.fixture
def job_settings(load: Load) -> study.Compose:
    """As the command line makes them, of what is typed for a job; jobs that differ in their seed are composed once."""

    def compose(overrides: Sequence[str]) -> Settings:
        own = {key: value for key, _, value in (word.partition("=") for word in overrides)}
        words = tuple(word for word in overrides if key_of(word) not in ("run_dir", "seed"))
        if words not in _COMPOSED:
            _COMPOSED[words] = load(*words)
        update = {"run_dir": own["run_dir"].strip("'"), "seed": int(own["seed"])}
        return _COMPOSED[words].model_copy(update=update)

    return compose


def planned(directory: Path, compose: study.Compose, **changes: Any) -> study.Study:
    return study.plan(defined(**changes), [], directory, compose)


def claim(made: study.Study) -> None:
    directory_.claim(made.directory, made.definition.definition(made.blueprint.extra))


def begun(job: study.Job) -> RunDir:
    return launch.prepare(job.settings, ["hybrid-rl"], job.run.path)


TUNE: dict[str, Any] = {
    "trials": 3,
    "seeds": [1000, 1001],
    "measure": "greedy",
    "looks": 2,
    "draw": 0,
    "common": [],
    "space": {
        "base": {"train.sft.learning_rate": [1e-3, 2e-3, 4e-3]},
        "rl": {"train.rl.learning_rate": [4e-4, 2e-4, 8e-4]},
    },
    "like": {},
}


def tuned(**changes: Any) -> dict[str, Any]:
    """The tuning of `TWO`, changed."""
    return TUNE | changes
