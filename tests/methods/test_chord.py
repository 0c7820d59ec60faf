"""CHORD: the schedule of mu, and both parts of the loss, by the vectors of the published code."""

from typing import Any

import pytest

from hybrid_rl.methods.chord import Chord, ChordSettings, mu
from hybrid_rl.methods.terms import judged
from hybrid_rl.types import Group
from tests.fakes.reference_row import coefficients, example, rollouts


def settings(**changes: Any) -> ChordSettings:
    values = {
        "name": "chord", "group_size": 4, "demonstrations": 3, "factor": "one", "rise": 0, "fall": 200, "peak": 0.9,
        "valley": 0.05,
    }  # fmt: skip
    return ChordSettings(**{**values, **changes})


def curve(steps: list[int], **changes: Any) -> list[float]:
    return [mu(step, step / 1000, settings(**changes)) for step in steps]


def test_mu_falls_as_published() -> None:
    found = curve([0, 50, 100, 150, 199, 200, 999])
    assert found == pytest.approx([0.9, 0.7755, 0.475, 0.1745, 0.0501, 0.05, 0.05], abs=1e-4)


def test_mu_rises_first_where_it_is_told_so() -> None:
    shape = {"peak": 0.5, "valley": 0.02}
    expected = [0, 0.25, 0.5, 0.4297, 0.26, 0.02]
    steps = [0, 100, 200, 300, 400, 600]
    assert curve(steps, rise=200, fall=400, **shape) == pytest.approx(expected, abs=1e-4)
    assert curve(steps, rise=0.2, fall=0.4, **shape) == pytest.approx(expected, abs=1e-4)
    assert curve([0, 9], rise=0, fall=0, peak=0.1, valley=0.1) == [0.1, 0.1]


def test_counts_and_shares_do_not_mix() -> None:
    with pytest.raises(ValueError, match=r"rise = 10, fall = 0\.5: both must be counts"):
        settings(rise=10, fall=0.5)


def learned(step: int, **changes: Any) -> list[tuple[Any, list[float]]]:
    made = Chord(settings(**changes), {}, seed=0, steps=9)
    update = made.next_update(step, 0.0)
    assert (update.kind, update.demonstrations) == ("rl", 3)
    group = Group(example("other"), rollouts([1, 0, 0, 0]))
    return coefficients(made.terms(step, update, [group], [example()]))


def test_both_parts_have_their_weight_and_the_baseline_sees_no_expert() -> None:
    rows = learned(100)
    assert rows[0][1] == pytest.approx([0.525 * 0.75 / 4 / 3] * 3)
    assert rows[4][1] == pytest.approx([0.2375, 0.2375])


def test_phi_weighs_expert_tokens_alone() -> None:
    rows = learned(0, factor="p(1-p)", fall=0, peak=0.1, valley=0.1)
    assert rows[4][1] == pytest.approx([0.008, 0.0105])
    assert rows[0][1] == pytest.approx([0.9 * 0.75 / 4 / 3] * 3)


def test_an_update_without_demonstrations_on_this_rank_has_both_terms_all_the_same() -> None:
    made = Chord(settings(), {}, seed=0, steps=9)
    update = made.next_update(0, 0.0)
    assert [len(term.rows) for term in made.terms(0, update, [], [])] == [0, 0]
    assert len(judged(Group(example(), rollouts([1, 0])))) == 2
