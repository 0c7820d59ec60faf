"""Hydra's grammar as we bend it: what a user may type, and what is told of a mistake."""

from pathlib import Path

import hydra
import pytest
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf

from hybrid_rl.config import composing
from hybrid_rl.config.composing import (
    Composer,
    config_dir,
    flags_last,
    open_struct,
    unknown_options,
)
from hybrid_rl.errors import SettingsError


def test_settings_are_opened_for_the_schema_and_nothing_else_is() -> None:
    typed = [
        "method=grpo", "train.steps=3", "hydra.job.name=x", "+a=1", "~b", "-m", "hydra/help=default",
        "model@other=tiny", "--config-dir", "dir", "trl.x=[1,2]",
    ]  # fmt: skip
    assert open_struct(typed) == [
        "method=grpo", "++train.steps=3", "hydra.job.name=x", "+a=1", "~b", "-m", "hydra/help=default",
        "model@other=tiny", "--config-dir", "dir", "++trl.x=[1,2]",
    ]  # fmt: skip
    assert open_struct(["-sc", "query=bash"]) == ["-sc", "query=bash"]


def test_unknown_options_are_told_at_once_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").touch()
    own = f"--config-dir={tmp_path}"
    typed = ["method=grop", "experiment=smok", "data=grpo,sft", "train.steps=3", "model=null"]
    method, experiment = unknown_options([*typed, own])
    ours = [file.stem for file in (config_dir() / "method").glob("*.yaml")]
    assert method == (
        "method = grop: no such option; did you mean grpo? choose from "
        + ", ".join(sorted([*ours, "mine"]))
    )
    assert experiment.startswith("experiment = smok: no such option; did you mean smoke? choose")
    assert unknown_options(["method=mine", own]) == []
    assert unknown_options(["--config-dir", str(tmp_path), "method=mine"]) == []
    assert f"choose from {', '.join(sorted(ours))}" in unknown_options(["method=mine"])[0]
    assert unknown_options(["-cd", str(tmp_path / "no")]) == [
        f"--config-dir {tmp_path}/no: no such directory; correct the path"
    ]
    assert unknown_options(["method=theirs", "hydra.searchpath=[pkg://theirs]"]) == []


def test_the_directory_of_own_configs_may_stand_anywhere() -> None:
    typed = ["experiment=smoke", "--config-dir", "mine", "method=grpo", "-m"]
    assert flags_last(typed) == ["experiment=smoke", "method=grpo", "-m", "--config-dir", "mine"]
    assert flags_last(["--config-dir=mine", "method=grpo"]) == ["--config-dir=mine", "method=grpo"]


def test_a_job_composed_from_that_of_another_seed_is_as_one_composed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = "method.paired_run=../../sasr/seed_${seed}"
    shared = ("method=sasr", "method.control=shuffled", pair, "train.steps=7")
    real, composed = composing.compose, list[str]()
    monkeypatch.setattr(composing, "compose", lambda *args: composed.append("once") or real(*args))
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        one = Composer()
        for seed, name in ((3, "a"), (8, "b")):
            own = (f"name={name}", f"seed={seed}", f"run_dir='{tmp_path}/x = {seed}'")
            made, anew = one((*shared, *own)), Composer()((*shared, *own))
            assert made == anew
            assert (made.seed, made.name, made.run_dir) == (seed, name, f"{tmp_path}/x = {seed}")
            assert made.method.paired_with == ("method.paired_run", f"../../sasr/seed_{seed}")
        assert len(composed) == 3  # one of the first composer, two of the others
        with pytest.raises(SettingsError, match="mistyped"):
            one(("method=mistyped", "seed=1"))
        with pytest.raises(SettingsError):
            one((*shared, "seed=[1"))


@pytest.mark.parametrize(
    "typed",
    [
        ["method=bread", "train.steps=3", "seed=4", "run_dir='a b'"],
        ["train.steps=4", "experiment=smoke", "method=grpo", "method.group_size=4", "train.steps=5"],
        ["method=grpo", "hardware=zero2", "hardware.deepspeed.zero_optimization.stage=1", "trl.x=[1,2]"],
        ["method=grpo", "data.sources={a: {kind: x}}", "tracker.tags=[a,b]", "train.save_every=null"],
        ["method=grpo", "+new.setting=1", "~train.steps"],
        ["method=grpo", "train.steps.deeper=1", "train.step=3", "unknown.deep.key=1"],
    ],
)  # fmt: skip
def test_options_composed_once_and_settings_set_in_a_copy_are_what_hydra_composes(
    typed: list[str],
) -> None:
    composer = Composer()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        composer.compose([*typed, "train.seed_of_another=1", "train.rl.learning_rate=9"])
        found = composer.compose(typed)
        expected = hydra.compose("config", open_struct(typed))
    assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)
    assert list(found) == list(expected)
    assert OmegaConf.is_struct(found) == OmegaConf.is_struct(expected)


@pytest.mark.parametrize(
    "typed",
    [
        ["method=no_such"],
        ["method=grpo,sft"],
        ["method=grpo", "train.steps=1,2"],
        ["method=grpo", "train.steps=[1"],
    ],
)
def test_what_hydra_refuses_is_refused_in_its_words(typed: list[str]) -> None:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        with pytest.raises(HydraException) as expected:
            hydra.compose("config", open_struct(typed))
        with pytest.raises(HydraException) as found:
            Composer().compose(typed)
    assert str(found.value) == str(expected.value)


def test_overrides_that_hydra_cannot_read_are_told_at_once_in_lines() -> None:
    fine = [
        "method=grpo",
        "-m",
        "--config-dir",
        "x y",
        "+a.b='[1, {c: d}]'",
        "~data.train",
        "seed=0,1",
    ]
    assert composing.unparsable(fine) == []
    wrong = ["model.path=[", "data.system='open", "seed", "a b=1"]
    lines = composing.unparsable([*fine, *wrong])
    assert [line.partition(": cannot be read (")[0] for line in lines] == wrong
    assert all(line.endswith("in quotes: 'key=\"value\"'") for line in lines)


def test_a_list_with_texts_is_shown_as_it_can_be_typed() -> None:
    typed = "study.arms.bread=[method=bread,method.episods=2]"
    [line] = composing.unparsable([typed])
    assert line.startswith(f"{typed}: cannot be read (")
    assert line.endswith(
        '; write the elements of a list in quotes: \'study.arms.bread=["method=bread","method.episods=2"]\''
    )


@pytest.mark.parametrize("typed", ["seed=0,1", "seed=range(3)", "data.system=a, b"])
def test_several_values_are_for_runs_of_their_own(typed: str) -> None:
    [line] = composing.unparsable(["method=grpo", typed])
    assert line.startswith(f"{typed}: has several values, which are runs of their own with -m; ")
    for many in ("-m", "--multirun", "hydra.mode=MULTIRUN", "--config-dir=mine"):
        assert composing.unparsable([typed, many]) == []
    assert composing.unparsable(["seed=[0,1]", "'data.system=\"a, b\"'".strip("'")]) == []


def test_words_with_dashes_are_told_as_the_settings_that_they_are_here() -> None:
    typed = [
        "--model_name_or_path",
        "x/y",
        "--experiment",
        "smoke",
        "--learning-rate=1e-6",
        "--beta",
    ]
    assert composing.unparsable([*typed, "--config-dir", "my_conf", "-m", "--cfg", "job"]) == [
        "--model_name_or_path: settings have no dashes; write model.path=x/y",
        "--experiment: settings have no dashes; write experiment=smoke",
        "--learning-rate=1e-6: settings have no dashes; write train.rl.learning_rate=1e-6",
        "--beta: settings have no dashes; write train.rl.beta=...",
    ]
