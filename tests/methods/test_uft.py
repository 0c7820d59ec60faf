"""UFT: the probability of a hint, what it shows, and its small likelihood."""

from dataclasses import replace
from typing import Any

import pytest

from hybrid_rl.methods.uft import Uft, UftSettings, probability
from hybrid_rl.types import Group, Trace
from tests.fakes.reference_row import attempts_of, coefficients, example

TEXT = "a\nb\nc\nd\ne\nf"
FIVE = replace(example(), trace=Trace(TEXT, tuple(range(20, 26)), (1, 3, 5, 7, 9, 11), 10))
"""Five chunks before the line of the answer, of which the last is left to find."""


def settings(**changes: Any) -> UftSettings:
    values = {
        "name": "uft", "group_size": 4, "chunks": 5, "first": 0.95, "last": 0.05, "hinted": 0.6, "hint_scale": 0.001,
    }  # fmt: skip
    return UftSettings(**{**values, **changes})


def groups_of(seed: int = 0, progress: float = 0.0, **changes: Any) -> tuple[Uft, list[Group]]:
    made = Uft(settings(**changes), {}, seed, steps=500)
    made.next_update(0, progress)
    return made, made.rollout(0, [FIVE], attempts_of(1, 0, 0, 0))


def test_the_probability_falls_as_published_and_then_drops_to_none() -> None:
    found = [probability(step / 500, settings()) for step in (0, 75, 150, 225, 300, 301)]
    assert found == pytest.approx([0.95, 0.8182, 0.5, 0.1818, 0.05, 0.0], abs=1e-4)


def test_the_chunks_of_a_hint_are_binomial() -> None:
    """Five are drawn at .95 with .7738, at .5 with .03125; four are given then too."""
    full = sum(len(groups_of(seed)[1][0].prefix) == 4 for seed in range(400))
    assert full / 400 == pytest.approx(0.7738 + 5 * 0.95**4 * 0.05, abs=0.03)  # 4 or 5 of 5
    half = [len(groups_of(seed, progress=0.3)[1][0].prefix) for seed in range(400)]
    assert sum(half) / 400 == pytest.approx(2.5 - 0.03125, abs=0.15)


def test_a_group_shares_its_hint_and_its_likelihood_counts_once() -> None:
    made, (group,) = groups_of(first=1.0)
    assert group.prefix == (20, 21, 22, 23)
    rl, hints = made.terms(0, made.next_update(0, 0.0), [group], [])
    assert [row.context for row in rl.rows] == [(2, 3, 20, 21, 22, 23)] * 4
    assert [(row.context, row.target) for row in hints.rows] == [((2, 3), (20, 21, 22, 23))]


def test_the_reference_row_as_a_hint() -> None:
    made = Uft(settings(), {}, 0, steps=9)
    hinted = Group(FIVE, groups_of()[1][0].rollouts, prefix=(20, 21))
    rows = coefficients(made.terms(0, made.next_update(0, 0.0), [hinted], []))
    assert rows[4][1] == pytest.approx([0.0005, 0.0005])
    assert sum(
        c * loss for c, loss in zip(rows[4][1], (1.6094, 0.3567), strict=True)
    ) == pytest.approx(0.00098, abs=1e-5)


def test_without_hints_the_term_stays_and_is_empty() -> None:
    made, groups = groups_of(progress=0.7)
    assert groups[0].prefix == ()
    assert [len(term.rows) for term in made.terms(0, made.next_update(0, 0.7), groups, [])] == [
        4,
        0,
    ]
