"""Rows of groups and of demonstrations, and the terms that all methods have unless they say otherwise."""

import pytest

from hybrid_rl.methods.base import Method, MethodSettings
from hybrid_rl.methods.sft_then_grpo import SftThenGrpo
from hybrid_rl.methods.terms import Row, Term, judged, likelihood
from hybrid_rl.types import Group, Update
from tests.fakes.reference_row import example, rollouts

GROUP = Group(example(), rollouts([1, 0]), prefix=(7,))
PLAIN: Method[MethodSettings] = Method(MethodSettings(name="plain"), {}, seed=0, steps=1)


def test_the_rows_of_a_group_have_its_context_and_are_each_other_s_peers() -> None:
    first, second = judged(GROUP)
    assert (first.context, first.target, first.reward) == ((2, 3, 7), (5, 10, 1), 1.0)
    assert first.peers == second.peers != judged(GROUP)[0].peers


def test_an_untrained_group_counts_its_rows_and_nothing_else() -> None:
    left_out = judged(Group(example(), rollouts([1, 0]), trained=False))
    assert [(row.target, row.weight, row.reward) for row in left_out] == [((), 0.0, None)] * 2


def test_a_likelihood_is_of_the_whole_trace_and_its_end() -> None:
    row = likelihood(example(), weight=2.0, factor="p")
    assert (row.context, row.target, row.ends, row.expert) == ((2, 3), (4,), True, True)
    with pytest.raises(AssertionError, match="q has no trace to learn from"):
        likelihood(example(traced=False))


def test_unless_a_method_says_otherwise_rollouts_are_judged_and_demonstrations_are_likely() -> None:
    (term,) = PLAIN.terms(0, Update("rl"), [GROUP, GROUP], [])
    assert [row.reward for row in term.rows] == [1.0, 0.0, 1.0, 0.0]
    update = Update("sft", entropy_bonus=0.5)
    assert PLAIN.terms(0, update, [], [example()]) == [
        Term([likelihood(example())], mean="token", entropy_bonus=0.5)
    ]


def test_a_method_without_terms_of_its_own_keeps_the_quicker_way() -> None:
    class Own(Method[MethodSettings]):
        def terms(self, *known: object) -> list[Term]:
            return []

    assert [one.composes(PLAIN.settings) for one in (Method, SftThenGrpo, Own)] == [
        False,
        False,
        True,
    ]


def test_a_row_says_nothing_that_is_not_asked_of_it() -> None:
    row = Row(example(), (1,), (2,))
    assert (row.weight, row.reward, row.factor, row.keep, row.entropy) == (
        1.0,
        None,
        "one",
        1.0,
        0.0,
    )


def test_a_row_that_could_not_be_weighed_is_refused() -> None:
    with pytest.raises(ValueError, match="a row with a reward needs `peers`"):
        Row(example(), (1,), (2,), reward=1.0)
    with pytest.raises(ValueError, match=r"keep = 0: must be above 0 and at most 1"):
        Row(example(), (1,), (2,), keep=0)
