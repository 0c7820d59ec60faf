"""Settings composed from conf/ as the command line composes them, without starting Hydra's application."""

import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig

from hybrid_rl.config import loading
from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import imports
from tests.fakes import programs as programs_
from tests.fakes.composing import compose
from tests.fakes.programs import Programs

Compose = Callable[..., DictConfig]
Load = Callable[..., Settings]


_ALL_SLOW = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", re.MULTILINE)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Loads the tests and their libraries without the garbage collector, which would go through all of it in vain."""
    with imports.without_collection():
        return (yield)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out files that have slow tests alone where none is wanted, before they load what makes tests slow."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return bool(_ALL_SLOW.search(collection_path.read_text(encoding="utf-8"))) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several processes each takes the files with most slow tests first, so that all of them end with short ones."""
    if hasattr(config, "workerinput"):
        slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
        items.sort(key=lambda item: -slow[item.path])  # the order within a file stays


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Puts the environment back: TRL's vLLM and DeepSpeed write RANK and a port into it, which a next run obeys."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """programs.run("hybrid_rl", "train.steps=0"): a program in a process that has the libraries loaded."""
    with programs_.programs(tmp_path_factory.mktemp("printed")) as made:
        yield made


@pytest.fixture
def composed() -> Compose:
    """composed("method=grpo", "train.steps=3"): what Hydra hands on."""
    return compose


@pytest.fixture
def load(composed: Compose, tmp_path: Path) -> Load:
    """load("method=grpo"): checked settings, of a run launched in tmp_path."""

    def build(*overrides: str, choices: dict[str, str | None] | None = None) -> Settings:
        typed = [override.partition("=")[0] for override in overrides]
        return loading.load_settings(
            composed(*overrides), tmp_path, tmp_path / "run", choices=choices, typed=typed
        )

    return build
