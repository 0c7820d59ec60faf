"""G2RPO-A: guided rollouts in every group, and guidance whose length follows the rewards."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hybrid_rl.methods.g2rpo_a import G2rpoA, G2rpoASettings, adapted
from hybrid_rl.types import Result, Trace, Update
from tests.fakes.reference_row import attempts_of, coefficients, example

TEN = replace(example(), trace=Trace("0123456789", tuple(range(20, 30)), tuple(range(1, 11)), 8))


def method(**changes: Any) -> G2rpoA:
    values = {
        "name": "g2rpo_a",
        "group_size": 4,
        "guided": 1,
        "first_tokens": 3,
        "most_tokens": 3072,
    }
    return G2rpoA(G2rpoASettings(**{**values, **changes}), {}, seed=0, steps=9)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.2, 0.3, 0.2), 1250),
        ((0.2, 0.3, 0.5), 500),
        ((0.2, 0.3, 0.25), 1000),
        ((0, 0, 0.1), 1000),
        ((0.1, 0.1, 0), 1000),
    ],
)
def test_guidance_grows_where_rewards_fall(rates: tuple[float, ...], expected: int) -> None:
    assert adapted(1000, rates, most=3072) == expected


def test_guidance_has_a_longest_and_a_shortest_length() -> None:
    assert adapted(3000, (0.9, 0.9, 0.1), most=3072) == 3072
    assert adapted(1, (0.1, 0.1, 0.9), most=3072) == 1


def test_every_third_update_adapts_it_and_a_resume_goes_on() -> None:
    made, again = method(first_tokens=1000), method()
    for solved in (2, 3, 2):
        again.load_state_dict(json.loads(json.dumps(made.state_dict())))
        for one in (made, again):
            one.observe_results(0, [Result("q", solved, 10)])
    assert made.tokens == again.tokens == 1250
    assert made.next_update(3, 0.5).note == {"tokens": 1250}


def test_prefix_and_continuation_have_one_advantage_and_count_once_in_the_baseline() -> None:
    made = method()
    own, guided = made.rollout(0, [TEN], attempts_of(0, 0, 0, 1))
    assert (len(own.rollouts), len(guided.rollouts), guided.prefix) == (3, 1, (20, 21, 22))
    rows = coefficients(made.terms(0, Update("rl"), [own, guided], []))
    found = [c[0] * 5 * len(row.target) for row, c in rows]
    assert found == pytest.approx([-0.25, -0.25, -0.25, 0.75, 0.75])
    scaled = coefficients(
        made.terms(0, Update("rl"), [own, guided], []), {"scale_rewards": "group"}
    )
    assert scaled[4][1][0] * 5 * 3 == pytest.approx(0.75 / 0.5001, rel=1e-6)
    assert [row.expert for row, _ in rows] == [False] * 4 + [True]


def test_guidance_ends_before_the_answer_and_needs_a_trace() -> None:
    made = method(first_tokens=3072)
    assert made.rollout(0, [TEN], attempts_of(0))[1].prefix == TEN.trace.ids[:8]
    (group,) = made.rollout(0, [example(traced=False)], attempts_of(0))
    assert len(group.rollouts) == 4


def test_groups_of_guided_rollouts_alone_are_refused() -> None:
    with pytest.raises(ValueError, match="guided = 4: must be below group_size = 4"):
        method(guided=4)
