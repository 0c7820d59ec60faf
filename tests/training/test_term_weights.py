"""Advantages, scales and normalisers of rows, worked out by hand."""

from typing import Any

import pytest

from hybrid_rl.methods.terms import Row, Term
from hybrid_rl.training.term_weights import Share, advantage, joined, with_end
from tests.fakes.reference_row import coefficients, example

ONE = example()


def row(tokens: int, **more: Any) -> Row:
    return Row(ONE, (2, 3), (9,) * tokens, **more)


def first(terms: list[Term], **rl: Any) -> list[float]:
    """c of the first token of each row."""
    return [found[0] for _, found in coefficients(terms, rl)]


def test_a_term_is_divided_by_rows_and_their_tokens_by_tokens_or_by_slots() -> None:
    rows = [row(3), row(5)]
    assert first([Term(rows, mean="row")]) == pytest.approx([1 / 6, 1 / 10])
    assert first([Term(rows, mean="token")]) == pytest.approx([1 / 8, 1 / 8])
    assert first([Term(rows, mean="slot")]) == pytest.approx([1 / 200, 1 / 200])
    assert first([Term(rows, scale=2.0)], loss="dapo") == pytest.approx([1 / 4, 1 / 4])
    assert first([Term(rows)], loss="dr_grpo") == pytest.approx([1 / 200, 1 / 200])


def test_a_row_without_tokens_counts_as_a_row_and_one_without_weight_as_both() -> None:
    rows = [row(3), row(0), row(5, weight=0.0)]
    assert first([Term(rows, mean="row")]) == pytest.approx([1 / 9, 0])
    assert first([Term(rows, mean="token")]) == pytest.approx([1 / 8, 0])


def test_peers_are_found_across_terms() -> None:
    one = Term([row(1, reward=1.0, peers="a"), row(1, reward=7.0, peers="b")], mean="token")
    other = Term([row(1, reward=0.0, peers="a"), row(1, reward=5.0, peers="b")], mean="token")
    assert first([one, other]) == pytest.approx([0.25, 0.5, -0.25, -0.5])


def test_a_reward_outside_of_the_baseline_is_compared_with_it() -> None:
    rows = [row(1, reward=r, peers="a") for r in (1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)]
    guided = row(1, reward=1.0, peers="a", in_baseline=False)
    found = first([Term([*rows, guided], mean="token", scale=8.0)])
    assert found[-1] == pytest.approx(0.7143, abs=1e-4)
    assert found[0] == pytest.approx(1 - 2 / 7)


def test_advantages_are_those_of_trl() -> None:
    assert advantage(1.0, [1.0, 0.0, 0.0], "none", 9.0) == pytest.approx(2 / 3)
    assert advantage(1.0, [1.0, 0.0, 0.0], "group", 9.0) == pytest.approx(2 / 3 / (0.57735 + 1e-4))
    assert advantage(1.0, [1.0, 0.0, 0.0], "batch", 0.5) == pytest.approx(2 / 3 / 0.5001)
    assert advantage(0.7, [0.7] * 16, "group", 0.0) == 0.0


def test_one_other_reward_among_equal_ones_has_no_thousandfold_advantage() -> None:
    # 8 rewards, one of them 1: mean .125, and a spread of sqrt(1/8) about it.
    assert advantage(1.0, [0.0] * 7, "group", 0.0) == pytest.approx(1 / (0.35355 + 1e-4), rel=1e-4)


def test_a_reward_without_any_peer_is_refused() -> None:
    with pytest.raises(ValueError, match="none of its peers is in the baseline"):
        first([Term([row(1, reward=1.0, peers="a", in_baseline=False)])])


def test_ranks_add_up_what_they_hold_and_must_have_as_many_terms() -> None:
    mine = Share.of([Term([row(3, expert=True), row(2, reward=0.5, peers="a")]), Term([])])
    theirs = Share.of([Term([]), Term([row(4, reward=1.0, peers="b")])])
    whole = joined([mine, theirs])
    assert [(t.rows, t.tokens, t.expert_tokens, t.judged) for t in whole.totals] == [
        (2, 5, 3, True), (1, 4, 0, True),
    ]  # fmt: skip
    assert whole.rewards == [0.5, 1.0]
    with pytest.raises(ValueError, match=r"as many terms on every rank; found \[2, 1\]"):
        joined([mine, Share.of([Term([])])])


def test_an_end_is_put_behind_the_targets_that_ask_for_it() -> None:
    term = with_end(Term([row(1, ends=True), row(1)]), end_id=1)
    assert [one.target for one in term.rows] == [(9, 1), (9,)]
