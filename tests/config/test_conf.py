"""Every option and every preset composes and loads; a new file in conf/ is found by listing the folder."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from hybrid_rl.config import rules
from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.settings import Settings
from hybrid_rl.methods.lookup import method_class, settings_class
from hybrid_rl.methods.sasr import switch_probability
from tests.conftest import Compose, Load

SECTIONS = sorted(
    entry.name
    for entry in config_dir().iterdir()
    if entry.is_dir() and entry.name in Settings.model_fields
)
OPTIONS = sorted(
    (group, file.stem)
    for group in SECTIONS
    for file in (config_dir() / group).glob("*.yaml")
    if file.stem != "base"
)
PRESETS = sorted(file.stem for file in (config_dir() / "experiment").glob("*.yaml"))
METHODS = sorted(option for group, option in OPTIONS if group == "method")


def test_the_groups_are_those_of_the_readme() -> None:
    assert SECTIONS == [
        "data",
        "eval",
        "guards",
        "hardware",
        "method",
        "model",
        "reward",
        "rollout",
        "speed",
        "tracker",
    ]
    assert "smoke" in PRESETS


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=str)
def test_an_option_has_the_keys_of_its_schema(composed: Compose, group: str, option: str) -> None:
    values: Any = OmegaConf.to_container(composed(f"{group}={option}")[group])
    if group == "method":
        schema = settings_class(method_class(values.pop("_target_")))
    else:
        schema = Settings.model_fields[group].annotation
    assert set(values) == set(schema.model_fields)


@pytest.mark.parametrize(
    ("group", "option"), [pair for pair in OPTIONS if pair[0] != "speed"], ids=str
)
def test_an_option_is_named_as_its_file(composed: Compose, group: str, option: str) -> None:
    assert composed(f"{group}={option}")[group].name == option


@pytest.mark.parametrize("option", METHODS)
def test_a_method_loads(load: Load, option: str) -> None:
    assert load(f"method={option}").method.name == option


@pytest.mark.parametrize(
    ("group", "option"),
    [pair for pair in OPTIONS if pair[0] not in ("method", "data", "eval")],
    ids=str,
)
def test_an_option_loads(
    load: Load, group: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_is_installed", lambda package: True)
    more = ["hardware=gpu"] if option.startswith("vllm") else []
    if option.startswith("gemma"):
        more = ["model.path=owner/name"]  # its own is a directory that the user makes
    assert load(f"{group}={option}", *more) is not None


@pytest.mark.parametrize("option", [option for group, option in OPTIONS if group == "data"])
def test_a_data_set_loads_with_its_dev_or_test_questions(
    load: Load, composed: Compose, option: str
) -> None:
    sets = list(composed(f"data={option}").data.test)[:1] or ["dev"]
    settings = load(
        f"data={option}",
        f"eval.sets={sets}",
        "method=grpo",
        "train.eval_every=null",
        "task=evaluate",
    )
    assert settings.data.name == option


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_loads(load: Load, preset: str) -> None:
    own = ["model.path=owner/name", "data.train.path=train.jsonl", "method=grpo"]
    assert load(f"experiment={preset}", *(own if preset == "mine" else [])) is not None


@pytest.mark.parametrize("method", METHODS)
def test_the_smoke_preset_takes_every_method(load: Load, method: str) -> None:
    settings = load("experiment=smoke", f"method={method}")
    assert settings.name == f"smoke-{method}"
    assert settings.train.steps <= 8


@pytest.mark.parametrize(
    "file", sorted(config_dir().rglob("*.yaml")), ids=lambda file: f"{file.parent.name}/{file.stem}"
)
def test_a_file_is_short_and_says_what_it_is(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert lines[0].startswith("#") or file.parent.name in ("help", "job_logging")
    # A study that tunes every arm says for each what is searched.
    most = {"config": 100, "methods": 60}.get(file.stem, 45)
    assert len(lines) <= most
    assert isinstance(yaml.safe_load("\n".join(lines)), dict)


def test_the_defaults_of_config_yaml_are_complete(composed: Compose) -> None:
    values: Any = OmegaConf.to_container(composed())
    assert set(values) == set(Settings.model_fields) - {"method_target"}
    train = Settings.model_fields["train"].annotation
    assert train is not None
    assert set(values["train"]) == set(train.model_fields)


@pytest.mark.parametrize(("option", "saves"), [("all", True), ("none", False)])
def test_an_option_of_speed_has_every_switch_in_one_position(
    load: Load, option: str, saves: bool
) -> None:
    speed = load(f"speed={option}").speed
    assert set(speed.model_dump().values()) == {saves}
    assert load().speed == load("speed=all").speed
    turned = load(f"speed={option}", f"speed.shared_context={str(not saves).lower()}").speed
    assert turned == speed.model_copy(update={"shared_context": not saves})


def test_a_preset_does_not_lose_to_the_primary_file(composed: Compose) -> None:
    assert composed("experiment=smoke").train.steps == 4
    assert composed("experiment=smoke", "train.steps=6").train.steps == 6


@pytest.mark.parametrize(
    ("preset", "method"),
    [("relift", "relift"), ("bread", "bread"), ("sasr", "sasr"), ("sft_then_rl", "sft_then_grpo")],
)
def test_a_reproduction_card_names_its_source_and_what_differs(
    load: Load, preset: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_is_installed", lambda package: True)
    file = config_dir() / "experiment" / f"reproduce_{preset}.yaml"
    head = file.read_text().partition("defaults:")[0]
    for word in ("arXiv", "Aims at", "xpect", "Known to differ" if preset != "bread" else "choice"):
        assert word in head
    assert load(f"experiment=reproduce_{preset}").method.name == method


def test_sasr_is_reproduced_with_the_gamma_whose_probability_can_fall_below_what_is_expected(
    load: Load,
) -> None:
    method = load("experiment=reproduce_sasr").method
    assert switch_probability(1.0, 1.0, method.gamma) > 0.3
