"""The definition of a study: what it refuses, each with the whole message."""

from typing import Any

import pytest

from hybrid_rl.config.study import load_study
from hybrid_rl.errors import SettingsError
from tests.studies.conftest import TWO, defined


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
        ({"primary": {"set": "hard", "measure": "best"}}, "study.primary.measure = best: must be"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        defined(**changes)
    assert str(caught.value).startswith(line)
