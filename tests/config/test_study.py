"""The definition of a study: what it refuses, each with the whole message."""

from typing import Any

import pytest

from hybrid_rl.config.study import load_study
from hybrid_rl.errors import SettingsError
from tests.studies.conftest import TWO, defined, tuned


def test_what_a_study_decides_itself_is_refused_everywhere() -> None:
    with pytest.raises(SettingsError) as caught:
        load_study(TWO | {"common": ["seed=3"], "reference": "x"}, ["name=y", "oops"])
    assert str(caught.value).splitlines() == [
        "study.reference = x: is no arm; choose from base, rl",
        "study.common: seed=3: decided by study.seeds; leave it out",
        "the command line: name=y: decided by study.name and the arm; leave it out",
        "the command line: oops: is no setting=value; write e.g. train.steps=100",
    ]


def test_a_study_that_does_not_fit_its_schema_is_told_by_setting() -> None:
    with pytest.raises(SettingsError) as caught:
        load_study(TWO | {"jobs": 0, "sedes": [1]}, [])
    assert str(caught.value).splitlines() == [
        "study.jobs = 0: must be at least 1; e.g. study.jobs=1",
        "study.sedes = [1]: no such setting; did you mean study.seeds?",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"arms": {}}, "study.arms = {}: a study needs arms;"),
        ({"seeds": [1, 1]}, "study.seeds = [1, 1]: must be different numbers from 0;"),
        ({"arms": {"a/b": []}}, "study.arms: a/b becomes a directory,"),
        (
            {"after": {"rl": "x"}},
            "study.after.rl = x: x is no arm; choose from base, rl",
        ),
        (
            {"after": {"rl": "base", "base": "rl"}},
            "study.after.rl = base: rl, which waits for base, which waits for rl; take one of them out",
        ),
        (
            {"prepare": ["method=sft"], "arms": {"rl": ["method=grpo", "model=tiny"]}},
            "study.arms.rl: model=tiny: every arm starts from the model of study.prepare; give it in",
        ),
        (
            {"prepare": ["method=sft", "seed=1"]},
            "study.prepare: seed=1: decided by study.seeds; leave it out",
        ),
        (
            {"prepare": ["method=sft"], "arms": {"prepare": ["method=grpo"]}},
            "study.arms: prepare is the directory of the preparation; rename the arm",
        ),
        ({"primary": {"set": "hard", "measure": "best"}}, "study.primary.measure = best: must be"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        defined(**changes)
    assert str(caught.value).startswith(line)


PRIMARY = {"set": "hard", "measure": "greedy"}


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"most_seeds": 8, "margin": 0.1},
            [
                "study.most_seeds = 8: is for study.until=decided; give that too, or leave it out",
                "study.margin = 0.1: is for study.until=decided; give that too, or leave it out",
            ],
        ),
        (
            {"until": "decided", "seeds": [4], "arms": {"rl": ["method=grpo"]}},
            [
                "study.seeds = [4]: one seed does not show how seeds differ, and study.until=decided goes by that;"
                " give two or more, e.g. study.seeds=[0,1,2]",
                "study.most_seeds = null: must be above the 1 of study.seeds with study.until=decided;"
                " e.g. study.most_seeds=8",
                "study.primary = null: study.until=decided goes by the primary outcome;"
                " e.g. 'study.primary={set: hard, measure: greedy}'",
                "study.until = decided: there is no arm beside the reference; add one to study.arms",
            ],
        ),
        (
            {"until": "decided", "seeds": [0, 1, 2], "most_seeds": 3, "primary": PRIMARY},
            [
                "study.most_seeds = 3: must be above the 3 of study.seeds with study.until=decided;"
                " e.g. study.most_seeds=12"
            ],
        ),
        (
            {"until": "decided", "most_seeds": 8, "margin": 0.0, "primary": PRIMARY},
            ["study.margin = 0.0: must be above 0; give a number above that"],
        ),
    ],
)
def test_seeds_until_decided_need_what_decides(changes: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        defined(**changes)
    assert str(caught.value).splitlines() == lines


def test_seeds_are_added_after_the_largest() -> None:
    made = defined(until="decided", seeds=[5, 2], most_seeds=4, primary=PRIMARY)
    assert made.all_seeds == [5, 2, 6, 7]
    assert defined(seeds=[5, 2]).all_seeds == [5, 2]


def test_seeds_that_may_be_added_are_no_seeds_of_the_tuning() -> None:
    changes = {"until": "decided", "most_seeds": 4, "primary": PRIMARY}
    with pytest.raises(
        SettingsError, match=r"study\.tune\.seeds = \[3, 9\]: has 3 of study\.seeds"
    ):
        defined(**changes, tune=tuned(seeds=[3, 9]))
