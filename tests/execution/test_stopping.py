"""SIGTERM and SIGINT in a rank: met at once, or at the end of a block in which they wait."""

import os
import signal
from collections.abc import Iterator

import pytest

from hybrid_rl.execution import stopping
from hybrid_rl.execution.stopping import StoppedError


@pytest.fixture(autouse=True)
def _signals_of_a_rank(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(stopping, "_grace_seconds", None)
    stopping.catch_signals()
    yield
    stopping.catch_signals()  # forgets the request
    for number, handler in before.items():
        signal.signal(number, handler)


def test_outside_of_a_block_a_signal_stops_at_once_with_the_exit_code_of_a_shell() -> None:
    with pytest.raises(StoppedError, match="stopped by SIGTERM") as caught:
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.exit_code == 143


def send_in_a_block(*numbers: int) -> list[int | None]:
    """Requests seen inside of a block that ends after these signals; the end of the block raises."""
    seen: list[int | None] = []
    with pytest.raises(StoppedError) as caught:
        _send(seen, *numbers)
    return [*seen, caught.value.exit_code]


def _send(seen: list[int | None], *numbers: int) -> None:
    with stopping.deferred():
        for number in numbers:
            os.kill(os.getpid(), number)
            seen.append(stopping.requested())


def test_inside_of_a_block_it_waits_for_the_end_and_can_be_asked_for() -> None:
    assert send_in_a_block(signal.SIGINT) == [signal.SIGINT, 130]


def test_a_second_signal_is_the_same_request() -> None:
    assert send_in_a_block(signal.SIGTERM, signal.SIGINT) == [signal.SIGTERM, signal.SIGTERM, 143]


def test_the_request_of_another_rank_is_met_too() -> None:
    with pytest.raises(StoppedError, match="stopped by SIGINT"), stopping.deferred():
        stopping.request(signal.SIGINT)


def test_a_process_that_was_asked_to_stop_is_ended_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alarms: list[int] = []
    monkeypatch.setattr(signal, "alarm", alarms.append)
    stopping.limit(1.5)
    with pytest.raises(StoppedError):
        os.kill(os.getpid(), signal.SIGTERM)
    assert alarms == [2]


def test_a_stop_is_found_behind_the_error_that_it_became() -> None:
    stop = StoppedError(signal.SIGTERM)
    error = RuntimeError("from C")
    error.__cause__ = stop
    assert stopping.cause_of(error) is stop
    assert stopping.cause_of(RuntimeError("a bug")) is None
