"""A run without network is told so at once, instead of after a minute of retries."""

import socket
from typing import Any

import pytest

from hybrid_rl.execution import network
from tests.conftest import Load


def unreachable(*_: Any) -> None:
    raise OSError("no route")


@pytest.mark.parametrize(
    ("typed", "needs"),
    [
        ((), False),
        (("model.path=owner/name",), True),
        (("data=gsm8k", "reward=numeric"), True),
        (("model=smollm2_135m_gguf",), False),
        (("model.path={tmp}",), False),
    ],
)
def test_the_hub_is_needed_for_what_has_an_id_there(
    load: Load, tmp_path: Any, typed: tuple[str, ...], needs: bool
) -> None:
    assert network.needs_hub(load(*(word.format(tmp=tmp_path) for word in typed))) is needs


def test_without_a_connection_the_cache_is_all_there_is(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "create_connection", unreachable)
    environment: dict[str, str] = {}
    line = network.offline_without_hub(load("model.path=owner/name"), environment)
    assert line == (
        "huggingface.co cannot be reached (no route); HF_HUB_OFFLINE=1 is set for this run, so only what is in the"
        " cache is found; local paths go into model.path, and into data.train with kind: file"
    )
    assert environment == {"HF_HUB_OFFLINE": "1"}


@pytest.mark.parametrize("known", [{"HF_HUB_OFFLINE": "0"}, {"https_proxy": "http://proxy"}])
def test_what_the_environment_decides_is_left_to_it(
    load: Load, monkeypatch: pytest.MonkeyPatch, known: dict[str, str]
) -> None:
    monkeypatch.setattr(socket, "create_connection", unreachable)
    environment = dict(known)
    assert network.offline_without_hub(load("model.path=owner/name"), environment) is None
    assert environment == known


def test_a_hub_that_can_be_reached_is_used(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Connection:
        def close(self) -> None: ...

    def connect(address: tuple[str, int], seconds: float) -> Connection:
        asked.append(address)
        return Connection()

    monkeypatch.setattr(socket, "create_connection", connect)
    environment = {"HF_ENDPOINT": "http://mirror.example:8080"}
    assert network.offline_without_hub(load("model.path=owner/name"), environment) is None
    assert asked == [("mirror.example", 8080)]
    assert "HF_HUB_OFFLINE" not in environment
