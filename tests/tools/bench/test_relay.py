"""The clock of a trainer counts every second once, and every token and pass of sampling."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

pytest.importorskip("torch")

from hybrid_rl.tools.bench import relay
from hybrid_rl.tools.bench.relay import Clock, _counted
from hybrid_rl.verification.grader import Solution
from tests.fakes import tiny

pytestmark = pytest.mark.slow


def test_a_call_of_sampling_has_as_many_passes_as_its_longest_completion() -> None:
    clock = Clock()
    sample = _counted(clock, lambda lengths: [[0] * n for n in lengths], lambda found: found)
    for lengths in ([2, 5, 1], [3], []):
        sample(lengths)
    assert (clock.generated_tokens, clock.passes) == (11, 8)


def test_a_part_of_other_does_not_count_what_phases_and_parts_within_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(relay, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def spend(seconds: float, *within: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            now[0] += seconds
            for one in within:
                one()

        return run

    clock = Clock()
    text = clock.part("text", spend(1))
    generate = clock.timed("generate", spend(4, text))  # in a phase it counts for the phase
    ours = clock.part("ours", spend(2, text, generate))
    clock.start()
    spend(0.5, ours)()
    clock.stop()
    [step] = clock.steps
    assert (step.seconds, step.phases["generate"], step.other) == (8.5, 5, 3.5)
    assert step.parts == {"text": 1, "trl": 0, "ours": 2, "log": 0, "rest": 0.5}


def test_the_grader_of_our_trainer_is_timed_in_a_copy_that_still_verifies_early() -> None:
    trainer, shared = MagicMock(), tiny.EvenGrader()
    trainer.attempter = SimpleNamespace(grader=shared, sample=None, vocabulary=tiny.vocabulary())
    clock = relay.watch(trainer)
    watched = trainer.attempter.grader
    watched.verify_early(Solution("", "0"))
    shared.grade([Solution("", "0")])
    assert clock.phases["verify"] == 0
    watched.grade([Solution("", "0")])
    assert clock.phases["verify"] > 0
