"""Which runs make up an arm, and in what arms differ."""

import json
from pathlib import Path

import pytest

from hybrid_rl.config.study import TargetSettings
from hybrid_rl.recording.files import write_json
from hybrid_rl.reporting.comparison import arms
from hybrid_rl.reporting.comparison.arms import ComparisonError
from tests.fakes import recorded, studies


def _names(found: arms.Arms) -> list[tuple[str, list[int]]]:
    return [(arm.name, [arms.seed_of(record) for record in arm.records]) for arm in found.arms]


def _target(value: float) -> TargetSettings:
    return TargetSettings(set="dev", measure="greedy", value=value)


def test_a_study_says_its_arms_seeds_reference_and_target(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.2, "bread": 0.6}, seeds=(0, 1))
    found = arms.read([tmp_path])
    assert _names(found) == [("grpo", [0, 1]), ("bread", [0, 1])]
    assert (found.reference, found.target) == ("grpo", _target(0.5))


def test_runs_anywhere_below_are_put_into_arms_by_method(tmp_path: Path) -> None:
    recorded.write_run(tmp_path / "x" / "10-a", 1, "bread")
    recorded.write_run(tmp_path / "x" / "2-b", 0, "bread")
    recorded.write_run(tmp_path / "x" / "3-c", 0, "grpo")
    found = arms.read([tmp_path])
    assert _names(found) == [("grpo", [0]), ("bread", [0, 1])]  # the reference first
    assert (found.reference, found.target) == ("grpo", None)


def test_an_arm_is_named_by_what_sets_it_apart_from_others_of_its_method(tmp_path: Path) -> None:
    first = recorded.write_run(tmp_path / "a", 0, "bread")
    second = recorded.write_run(tmp_path / "b", 0, "bread")
    studies.change_settings(first, "method", order="bisect")
    studies.change_settings(second, "method", order="random")
    found = arms.read([tmp_path / "a", tmp_path / "b"])
    assert [name for name, _ in _names(found)] == [
        "bread (method.order=bisect)",
        "bread (method.order=random)",
    ]


def test_trackers_and_hardware_make_no_arm(tmp_path: Path) -> None:
    first = recorded.write_run(tmp_path / "a", 0, "bread")
    second = recorded.write_run(tmp_path / "b", 1, "bread")
    studies.change_settings(first, "tracker", name="wandb")
    studies.change_settings(second, "hardware", name="gpu")
    assert _names(arms.read([tmp_path])) == [("bread", [0, 1])]


def test_the_command_line_stands_before_the_study(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.2, "bread": 0.6}, seeds=(0,))
    found = arms.read([tmp_path], reference="bread", target=0.25)
    assert (found.reference, found.target) == ("bread", _target(0.25))
    assert [arm.name for arm in found.arms] == ["bread", "grpo"]


def test_a_reference_that_is_no_arm_is_refused(tmp_path: Path) -> None:
    recorded.write_run(tmp_path / "a", 0, "grpo")
    with pytest.raises(ComparisonError) as caught:
        arms.read([tmp_path], reference="sft")
    assert str(caught.value) == "--reference sft: these runs have no such arm. Choose from grpo."


def test_a_directory_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError) as caught:
        arms.read([tmp_path])
    assert str(caught.value) == (
        f"There is no run in {tmp_path}. Give run directories, or that of a sweep or a study."
    )


def test_settings_that_differ_are_told_for_every_arm(tmp_path: Path) -> None:
    first = recorded.write_run(tmp_path / "a", 0, "grpo")
    recorded.write_run(tmp_path / "b", 1, "bread")
    studies.change_settings(first, "method", beta=0.05)
    assert arms.setting_table(arms.read([tmp_path])) == [
        ["method.name", "grpo", "bread"],
        ["method.beta", "0.05", "-"],
    ]


def test_what_runs_ran_on_is_told_once_where_they_agree(tmp_path: Path) -> None:
    recorded.write_run(tmp_path / "a", 0, "grpo")
    second = recorded.write_run(tmp_path / "b", 1, "grpo")
    environment = json.loads(second.environment.read_text())
    environment["packages"]["torch"] = "2.13.1"
    write_json(second.environment, environment)
    found = dict(arms.environment_table(arms.read([tmp_path])))
    assert found["commit"] == "abc123 and uncommitted changes"
    assert found["torch"] == "2.13.0; 2.13.1"
    assert found["train: questions"] == "64"
    assert "devices" not in found
