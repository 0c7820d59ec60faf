"""From what Hydra composed to checked settings: paths, missing values, and all problems at once."""

from pathlib import Path

import pytest

from hybrid_rl.config import loading, trl_options
from hybrid_rl.config.data import FileSource
from hybrid_rl.errors import SettingsError
from tests.conftest import Compose, Load


def _message(load: Load, overrides: list[str]) -> str:
    with pytest.raises(SettingsError) as error:
        load(*overrides)
    return str(error.value)


def test_all_problems_are_listed_at_once(load: Load) -> None:
    message = _message(
        load, ["train.steps=0", "metod=3", "trl.foo=2", "name=a/b", "model.dtype=int8", "seed=???"]
    )
    assert message.splitlines() == [
        "metod = 3: no such setting; did you mean method?",
        "model.dtype = int8: must be one of float32, bfloat16, float16; e.g. model.dtype=float32",
        "name = a/b: becomes a directory, so only letters, digits and . _ + = , - may stand in it",
        "seed = ???: has no value; give one with seed=...",
        "train.steps = 0: must be at least 1; e.g. train.steps=1",
        "trl.foo = 2: only fields of trl.GRPOConfig that are tested here are passed on; leave it out, or choose from"
        f" {', '.join(sorted(trl_options.ALLOWED))}",
    ]


def test_paths_become_absolute_from_the_directory_of_launch(load: Load, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    settings = load(
        "run_dir=out",
        "model.path=weights",
        "model.tokenizer=org/name",
        "~data.train",
        "+data.train={kind:file,path:[a.jsonl,/b.jsonl]}",
    )
    assert settings.run_dir == str(tmp_path / "out")
    assert settings.model.path == str(tmp_path / "weights")
    assert settings.model.tokenizer == "org/name"
    assert isinstance(settings.data.train, FileSource)
    assert settings.data.train.path == [str(tmp_path / "a.jsonl"), "/b.jsonl"]


def test_the_model_in_the_package_is_not_a_path(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    assert load("model=tiny").model.path == "tiny"


def test_without_a_run_dir_a_dated_one_is_made_up(composed: Compose, tmp_path: Path) -> None:
    settings = loading.load_settings(composed("name=x"), tmp_path)
    assert Path(settings.run_dir).parent == tmp_path / "runs" / "x"


def test_a_reference_to_a_missing_value_names_it(load: Load) -> None:
    message = _message(load, ["model.name=???", "name=${model.name}"])
    assert message == "model.name = ???: has no value; give one with model.name=..."


def test_an_environment_variable_that_is_not_set_is_named(load: Load) -> None:
    message = _message(load, ["model.path=${oc.env:NO_SUCH_VARIABLE}"])
    assert message == (
        'model.path: KeyError raised while resolving interpolation: "Environment variable'
        " 'NO_SUCH_VARIABLE' not found\"; give model.path=..., or what it refers to"
    )


def test_two_runs_of_one_second_get_two_directories(tmp_path: Path) -> None:
    paths = []
    for _ in range(3):
        paths.append(loading.dated(tmp_path, "name"))
        paths[-1].mkdir(parents=True)
    assert len(set(paths)) == 3
