"""AdaBack: the interval of each question, and a resume of it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hybrid_rl.methods.adaback import Adaback, AdabackSettings, Interval, guidable
from hybrid_rl.types import Result, Trace
from tests.fakes.reference_row import attempts_of, example

TEN = replace(example(), trace=Trace("0123456789", tuple(range(20, 30)), tuple(range(1, 11)), 8))


def method(**changes: Any) -> Adaback:
    values = {"name": "adaback", "group_size": 4, "tau": 0.4, "zero": 0.1, "gap": 0.0}
    return Adaback(AdabackSettings(**{**values, **changes}), {}, seed=0, steps=9)


def told(made: Adaback, rho: float, correct: int) -> Interval:
    made.observe_results(0, [Result("q", correct, 20, note={"rho": rho})])
    return made.intervals["q"]


def test_a_failure_drops_shorter_prefixes_and_a_success_longer_ones() -> None:
    made = method()
    assert told(made, 0.5, 5) == (0.5, 1)
    assert told(made, 0.75, 12) == (0, 0.75)
    assert told(made, 0.3, 2) == (0.3, 0.75)


def test_an_interval_that_a_failure_leaves_too_narrow_opens_up_again() -> None:
    made = method(gap=0.1)
    told(made, 0.5, 20)
    assert told(made, 0.45, 0) == (0.45, 1.0)


def test_a_group_goes_on_from_the_share_that_was_drawn() -> None:
    made = method(zero=0.0)
    made.intervals["q"] = Interval(0.5, 0.5)
    (group,) = made.rollout(3, [TEN], attempts_of(1, 0, 0, 0))
    assert group.prefix == (20, 21, 22, 23)  # half of the 8 tokens before the answer
    assert group.note == {"rho": 0.5, "prefix_share": 0.4}
    assert len(group.rollouts) == 4
    (free,) = method(zero=1.0).rollout(3, [TEN], attempts_of(1, 0, 0, 0))
    assert (free.prefix, free.note["rho"]) == ((), 0.0)
    (untraced,) = made.rollout(3, [example(traced=False)], attempts_of(0, 0, 0, 0))
    assert (untraced.prefix, untraced.note) == ((), {})


def test_the_answer_and_the_last_token_are_never_given() -> None:
    assert guidable(TEN.trace) == 8
    assert guidable(replace(TEN.trace, answer_start=10)) == 9


def test_a_resume_has_every_interval() -> None:
    made, again = method(), method()
    told(made, 0.75, 12)
    again.load_state_dict(json.loads(json.dumps(made.state_dict())))
    assert again.intervals == made.intervals
    assert again.rollout(5, [TEN], attempts_of(0)) == made.rollout(5, [TEN], attempts_of(0))


def test_its_loss_is_that_of_grpo() -> None:
    assert not Adaback.composes(method().settings)


def test_a_limit_of_success_is_a_share() -> None:
    with pytest.raises(ValueError, match="tau"):
        method(tau=1.5)
