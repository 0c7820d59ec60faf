"""Prefix-RFT: the schedule of prefixes, and the advantages of prefix and continuation."""

from dataclasses import replace
from typing import Any

import pytest

from hybrid_rl.methods.prefix_rft import PrefixRft, PrefixRftSettings
from hybrid_rl.types import Example, Group, Trace
from tests.fakes.reference_row import attempts_of, coefficients, example

TEN = replace(example(), trace=Trace("0123456789", tuple(range(20, 30)), tuple(range(1, 11)), 9))


def method(seed: int = 0, **changes: Any) -> PrefixRft:
    values = {
        "name": "prefix_rft", "group_size": 8, "low_first": 0.95, "low_last": 0.05, "high": 0.95,
        "min_prefix_tokens": 1, "keep": 0.2, "continuation": "own",
    }  # fmt: skip
    return PrefixRft(PrefixRftSettings(**{**values, **changes}), {}, seed, steps=9)


def groups_of(
    made: PrefixRft, *rewards: float, asked: Example = TEN, progress: float = 0.0
) -> list[Group]:
    made.next_update(0, progress)
    return made.rollout(0, [asked], attempts_of(*rewards))


def learned(*rewards: float, **changes: Any) -> list[tuple[Any, list[float]]]:
    """Advantages: c times the 9 rows and the row's tokens."""
    made = method(**changes)
    groups = groups_of(made, *rewards)
    found = coefficients(made.terms(0, made.next_update(0, 0.0), groups, []))
    return [(row, [c * 9 * len(row.target) for c in values]) for row, values in found]


def test_the_shortest_prefix_falls_as_published() -> None:
    made = method()
    found = [made.next_update(0, t).note["low"] for t in (0, 0.25, 0.5, 0.75, 1)]
    assert found == pytest.approx([0.95, 0.8182, 0.5, 0.1818, 0.05], abs=1e-4)


def test_one_rollout_goes_on_from_a_prefix_of_the_drawn_length() -> None:
    own, guided = groups_of(method(), *[0.0] * 8)
    assert (len(own.rollouts), own.prefix) == (7, ())
    assert (len(guided.rollouts), guided.prefix) == (1, TEN.trace.ids[:9])  # int(.95 * 10)
    assert guided.note == {"prefix_share": 0.9}
    late = [groups_of(method(seed), *[0.0] * 8, progress=1.0)[1].prefix for seed in range(40)]
    lengths = {len(prefix) for prefix in late}
    assert lengths == set(range(1, 10))  # U[.05, .95], at least one token, never all


@pytest.mark.parametrize(
    ("rewards", "prefix", "continuation"),
    [
        ([1, 1, 0, 0, 0, 0, 0, 1], 0.7143, 1.0),
        ([1, 1, 0, 0, 0, 0, 0, 0], -0.2857, 0.0),
        ([0, 0, 0, 0, 0, 0, 0, 1], 1.0, 1.0),
    ],
)
def test_the_advantages_of_a_hybrid_trajectory(
    rewards: list[float], prefix: float, continuation: float
) -> None:
    rows = learned(*rewards, keep=1.0)
    assert len(rows) == 9
    assert rows[7][1] == pytest.approx([prefix] * 9, abs=1e-4)
    assert rows[8][1] == pytest.approx([continuation] * 3)
    shared = learned(*rewards, continuation="shared")
    assert shared[8][1] == pytest.approx([prefix] * 3, abs=1e-4)


def test_the_baseline_of_own_rollouts_leaves_the_guided_one_out() -> None:
    assert learned(1, 1, 0, 0, 0, 0, 0, 1)[0][1] == pytest.approx([1 - 2 / 7] * 3)


def test_only_tokens_of_high_entropy_of_a_prefix_learn() -> None:
    (row, _), *_ = learned(*[0.0] * 7, 1.0)[7:]
    assert (row.keep, row.expert, row.context, row.target) == (0.2, True, (2, 3), TEN.trace.ids[:9])
    rows = coefficients(
        [replace(method().terms(0, method().next_update(0, 0), groups_of(method(), *[0.0] * 7, 1.0), [])[0])],
        p=(1.0,) * 9, entropies=(0.1, 0.9, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    )  # fmt: skip
    assert [c > 0 for c in rows[7][1]] == [False, True, *[False] * 6, True]


def test_a_trace_too_short_for_a_prefix_leaves_plain_rollouts() -> None:
    for asked in (example(), example(traced=False)):
        (group,) = groups_of(method(), *[0.0] * 8, asked=asked)
        assert len(group.rollouts) == 8


def test_a_range_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"low_first = 0\.95, low_last = 0\.05: neither may exceed high = 0\.5"
    ):
        method(high=0.5)
