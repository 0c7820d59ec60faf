"""Every setting is tried with values that nobody means: it is refused in lines, or it survives settings.json.

The seed is fixed. Composition costs Hydra most of a second, so one is made, and values are put into it.
"""

import copy
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from pydantic import ValidationError

from hybrid_rl.config import loading, text_rules
from hybrid_rl.config.overrides import flat
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.methods.lookup import TargetError
from tests.conftest import Compose, Load

COMPOSED = (
    "method=sasr", "reward=symbolic", "hardware=zero2", "rollout=vllm_server", "data=gsm8k",
    "model.lora={rank:4,alpha:8,dropout:0.0,target_modules:all-linear}",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    math.inf, -math.inf, math.nan, -1, 0, 1, 0.0, 1.0, 0.5, -0.0, 5e-324, 1e308, 2**31, 2**32, 2**63, 10**400,
    "", " ", "null", "inf", "nan", "\ud800", "a\0b", "\u202e", "\U0001f600", "${seed}", "../..", "/", "~",
    None, True, False, [], [1], ["a", None], {}, {"a": math.nan}, {1: 2}, [[math.inf]],
)  # fmt: skip
PER_SETTING = 12
LOADS = 60
"""Values that go all the way; each takes some hundredths of a second."""


def keys(values: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for key in flat(values):
        yield tuple(key.split("."))


def changed(values: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(values)
    here = made
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = copy.deepcopy(value)
    return made


def require_round_trip(settings: Settings, path: tuple[str, ...]) -> None:
    text = settings.model_dump_json()
    assert Settings.model_validate_json(text) == settings, path
    assert "NaN" not in text, path
    assert "Infinity" not in text, path


@pytest.fixture
def values(composed: Compose) -> dict[str, Any]:
    """What Hydra hands on, as plain values."""
    found: Any = OmegaConf.to_container(composed(*COMPOSED), resolve=True)
    found.pop("study", None)
    return {**found, "run_dir": "/run"}


def test_every_value_that_the_schema_takes_survives_settings_json(values: dict[str, Any]) -> None:
    values["method_target"] = values["method"].pop("_target_")
    draw, refused, taken = random.Random("schema"), 0, 0
    for path in [*keys(values)]:
        for value in (math.inf, math.nan, *draw.sample(ODD, PER_SETTING)):
            made = changed(values, path, value)
            try:
                settings = Settings.model_validate(made)
            except (ValidationError, TargetError):
                refused += 1
                continue
            if not [*text_rules.unwritable(made)] and value != {1: 2}:
                require_round_trip(settings, path)
                taken += 1
    assert refused > taken > 0


def test_no_value_ends_in_a_traceback(values: dict[str, Any], tmp_path: Path) -> None:
    draw, found = random.Random("settings"), [*keys(values)]
    for _ in range(LOADS):
        path, value = draw.choice(found), draw.choice(ODD)
        made = OmegaConf.create(changed(values, path, value), flags={"allow_objects": True})
        try:
            settings = loading.load_settings(made, tmp_path, tmp_path / "run")
        except SettingsError as error:
            told = str(error)
        else:
            require_round_trip(settings, path)
            told = "taken: "
        assert ": " in told, (path, value)


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
@pytest.mark.parametrize("key", ["train.rl.learning_rate", "budget.flops", "eval.temperature"])
def test_what_is_not_finite_is_refused_by_name(key: str, value: str, load: Load) -> None:
    with pytest.raises(SettingsError, match=rf"^{key} = {value}: must be"):
        load(f"{key}={value}")


def test_a_seed_that_numpy_does_not_take_is_refused(load: Load) -> None:
    assert load("seed=4294967295").seed == 2**32 - 1
    with pytest.raises(SettingsError, match=r"^seed = 4294967296: must be at most 4294967295;"):
        load("seed=4294967296")
