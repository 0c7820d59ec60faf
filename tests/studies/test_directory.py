"""The directory of a study: whose it is, and what has become of each job in it."""

import json
from pathlib import Path

import pytest

from hybrid_rl.errors import SettingsError, UsedDirectoryError
from hybrid_rl.studies import directory as directory_
from hybrid_rl.studies import study
from hybrid_rl.studies.directory import JobState, hold
from tests.studies.conftest import TUNE, TWO, begun, claim, defined, planned, tuned


def state_of(job: study.Job) -> JobState:
    return directory_.state_of(job.run, job.settings)


def test_study_json_is_the_definition_and_another_one_is_refused(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    made = planned(tmp_path, job_settings)
    claim(made)
    assert json.loads((tmp_path / "study.json").read_text()) == {
        "name": "two", "arms": TWO["arms"], "seeds": [0, 1], "reference": "base", "target": None,
        "primary": None, "after": {}, "tune": None,
        "common": ["method.group_size=4"], "extra": [],
    }  # fmt: skip
    claim(made)
    with pytest.raises(SettingsError, match=r"seeds: was \[0, 1\], is \[2\]"):
        claim(planned(tmp_path, job_settings, seeds=[2]))


def test_arms_and_seeds_may_join_a_study_and_none_may_leave(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    claim(planned(tmp_path, job_settings))
    more = {**TWO["arms"], "late": ["method=alternate"]}
    claim(planned(tmp_path, job_settings, arms=more, seeds=[2, 1, 0]))
    kept = json.loads((tmp_path / "study.json").read_text())
    assert (kept["arms"], kept["seeds"]) == (more, [2, 1, 0])
    with pytest.raises(SettingsError, match=r"arms\.late: was .*, is not there"):
        claim(planned(tmp_path, job_settings, seeds=[0, 1, 2]))
    changed = planned(
        tmp_path, job_settings, arms={**more, "late": ["method=bread"]}, seeds=[0, 1, 2]
    )
    with pytest.raises(SettingsError, match=r"arms\.late: was .*alternate.*, is .*bread"):
        claim(changed)


def test_an_arm_joins_with_its_space_and_a_changed_tuning_is_refused(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    claim(planned(tmp_path, job_settings, tune=tuned()))
    more = {**TWO["arms"], "late": ["method=alternate"], "control": ["method=grpo"]}
    space = {**TUNE["space"], "late": {"train.rl.learning_rate": [1e-4, 4e-4]}}
    joined = {"arms": more, "after": {"control": "rl"}}
    tune = tuned(space=space, like={"control": "rl"})
    claim(planned(tmp_path, job_settings, **joined, tune=tune))
    assert json.loads((tmp_path / "study.json").read_text())["tune"] == tune
    with pytest.raises(SettingsError, match=r"tune\.looks: was 2, is 3"):
        claim(planned(tmp_path, job_settings, **joined, tune={**tune, "looks": 3}))
    space["late"] = {"train.rl.learning_rate": [1e-4, 3e-4]}
    with pytest.raises(
        SettingsError, match=r"late\.train\.rl\.learning_rate: was \[0\.0001, 0\.0004\], is"
    ):
        claim(planned(tmp_path, job_settings, **joined, tune={**tune, "space": space}))
    with pytest.raises(SettingsError, match=r"after\.control: was rl, is not there"):
        claim(planned(tmp_path, job_settings, arms=more, tune=tune))
    with pytest.raises(SettingsError, match=r"tune\.trials: was 3, is not there"):
        claim(planned(tmp_path, job_settings, **joined))


def test_a_directory_of_something_else_is_refused(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsedDirectoryError, match=r"it holds thesis\.tex"):
        claim(planned(tmp_path, job_settings))
    assert not (tmp_path / "study.json").exists()


def test_a_job_is_new_or_done_or_cut_off_or_without_a_checkpoint(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    job = planned(tmp_path, job_settings).jobs[0]
    assert state_of(job) == "new"
    begun(job).write_status("failed", error="stopped")
    assert state_of(job) == "no checkpoint"
    checkpoint = job.run.checkpoints / "checkpoint-2"
    checkpoint.mkdir(parents=True)
    assert state_of(job) == "no checkpoint"
    (checkpoint / "hybrid_state.json").write_text("{}")
    assert state_of(job) == "cut off"
    job.run.write_status("done")
    assert state_of(job) == "done"


def test_a_job_whose_settings_have_changed_is_refused(
    tmp_path: Path, job_settings: study.Compose
) -> None:
    begun(planned(tmp_path, job_settings).jobs[0]).write_status("done")
    other = study.plan(defined(), ["train.rl.beta=0.5"], tmp_path, job_settings).jobs[0]
    with pytest.raises(SettingsError, match=r"train\.rl\.beta: was 0\.0, is 0\.5"):
        state_of(other)


def test_a_second_study_waits_for_the_first(tmp_path: Path) -> None:
    with (
        hold(tmp_path),
        pytest.raises(UsedDirectoryError, match="a study is running there"),
        hold(tmp_path),
    ):
        pass
    with hold(tmp_path):
        pass
