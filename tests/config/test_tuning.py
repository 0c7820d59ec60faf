"""The definition of a study's tuning: what it refuses, each with the whole message."""

from typing import Any

import pytest

from hybrid_rl.config.study import load_study
from hybrid_rl.errors import SettingsError
from tests.studies.conftest import TUNE, TWO, defined, tuned

SPACE: dict[str, Any] = TUNE["space"]
RATE = "train.rl.learning_rate"


def refused(study: dict[str, Any], extra: list[str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_study(TWO | study, extra or [])
    return str(caught.value).splitlines()


def test_a_tuning_that_fits_is_part_of_the_definition() -> None:
    assert defined(tune=tuned()).definition([])["tune"] == TUNE


def test_the_seeds_of_the_comparison_are_no_seeds_of_the_tuning() -> None:
    assert refused({"tune": tuned(seeds=[1, 1000])}) == [
        "study.tune.seeds = [1, 1000]: has 1 of study.seeds, and what is chosen by a seed is not compared with it;"
        " e.g. study.tune.seeds=[2000,2001]"
    ]
    assert refused({"tune": tuned(seeds=[7, 7])}) == [
        "study.tune.seeds = [7, 7]: must be different numbers from 0; e.g. study.tune.seeds=[1000,1001]"
    ]


def test_every_arm_needs_a_space_or_says_whose_outcome_it_takes() -> None:
    only_base = {"base": SPACE["base"]}
    assert refused({"tune": tuned(space=only_base)}) == [
        "study.tune.space.rl: is missing, and every arm is tuned alike; give the values to try, e.g."
        " 'study.tune.space.rl={train.rl.learning_rate:[2e-4,4e-4,8e-4,1.6e-3]}', or with study.tune.like.rl the arm"
        " whose outcome it takes"
    ]
    assert defined(tune=tuned(space=only_base, like={"rl": "base"})).tune is not None


def test_an_arm_takes_the_outcome_of_one_that_is_tuned() -> None:
    arms = {**TWO["arms"], "control": ["method=grpo"]}
    assert refused({"arms": arms, "tune": tuned(like={"control": "controls", "rl": "base"})}) == [
        "study.tune.like.rl = base: rl has study.tune.space.rl too; take one of them out",
        "study.tune.like.control = controls: has no space of its own; choose from base, rl",
    ]
    assert refused({"tune": tuned(like={"controls": "rl"})}) == [
        "study.tune.like.controls: is no arm; choose from base, rl, or add it to study.arms"
    ]


def test_an_arm_that_waits_for_the_comparison_is_not_tuned() -> None:
    assert refused({"after": {"rl": "base"}, "tune": tuned()}) == [
        "study.tune.space.rl: rl waits for runs of the comparison (study.after), which follow the tuning;"
        " give with study.tune.like.rl the arm whose outcome it takes instead"
    ]


@pytest.mark.parametrize(
    "text", ["4e-4", "interval(5,1)", "tag(log, interval(0,1))", "a(", "range(1,4)"]
)
def test_a_space_is_lists_or_intervals(text: str) -> None:
    assert refused({"tune": tuned(space=SPACE | {"rl": {RATE: text}})}) == [
        f"study.tune.space.rl.{RATE} = {text}: must be a list of values, or an interval of increasing numbers as"
        " Hydra's"
        ' Optuna sweeper writes it; e.g. "tag(log, interval(1e-4,1e-2))" or "int(interval(2,8))"'
    ]


def test_values_differ_and_settings_are_single() -> None:
    assert refused(
        {"tune": tuned(space=SPACE | {"rl": {"method": ["grpo", "sft"], RATE: [1, 1]}})}
    ) == [
        "study.tune.space.rl.method: is no single setting, and trials vary those; e.g. train.rl.learning_rate",
        f"study.tune.space.rl.{RATE} = [1, 1]: must be different values; e.g. [2e-4, 4e-4]",
    ]


def test_what_is_tuned_is_not_typed_too() -> None:
    assert refused({"tune": tuned()}, [f"{RATE}=1e-3"]) == [
        f"the command line: {RATE}=1e-3: {RATE} is tuned for rl; leave it out, or switch the tuning off with"
        " study.tune=null"
    ]


def test_common_does_not_replace_what_trials_try() -> None:
    told = [
        f"study.tune.common: {RATE}=1e-3: {RATE} is tuned for {arm}, and this would replace the value of every trial;"
        " leave it out"
        for arm, space in SPACE.items()
        if RATE in space
    ]
    assert refused({"tune": tuned(common=[f"{RATE}=1e-3"])}) == told
    assert defined(tune=tuned(common=["train.steps=3"])).tune is not None
