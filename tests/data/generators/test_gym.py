"""Questions of reasoning-gym: the same for the same seed, others for the next, with gold answers that can be graded."""

import re

import pytest

from hybrid_rl.errors import DataError
from hybrid_rl.verification.reasoning_gym import unpacked

pytest.importorskip("reasoning_gym")

from hybrid_rl.data.generators import gym


def test_rows_are_reproducible_and_extend_shorter_lists() -> None:
    rows = gym.rows(20, 1, "chain_sum", {"max_terms": 3})

    assert rows[:5] == gym.rows(5, 1, "chain_sum", {"max_terms": 3})
    assert unpacked(rows[0].entry).entry["answer"] == rows[0].answer
    assert unpacked(rows[0].entry).settings == {"max_terms": 3}


def test_the_next_seed_draws_other_questions() -> None:
    first, second = (
        {row.question for row in gym.rows(50, seed, "chain_sum", {})} for seed in (1, 2)
    )

    assert len(first & second) < 3


@pytest.mark.parametrize(
    ("task", "chosen", "message"),
    [
        (
            "chain_sums",
            {},
            "task = chain_sums: reasoning-gym has no such task; did you mean chain_sum?",
        ),
        (
            "chain_sum",
            {"terms": 3},
            "settings.terms: task chain_sum of reasoning-gym has no such setting; choose from min_terms, max_terms,",
        ),
        (
            "chain_sum",
            {"min_terms": 9, "max_terms": 2},
            "settings = {'min_terms': 9, 'max_terms': 2}: task chain_sum of reasoning-gym does not take them (",
        ),
        ("composite", {}, "task = composite: reasoning-gym has no such task; "),
    ],
)
def test_what_the_library_does_not_have_is_refused(
    task: str, chosen: dict[str, int], message: str
) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        gym.rows(2, 1, task, chosen)


def test_an_entry_keeps_the_tuples_that_a_scorer_compares() -> None:
    [row] = gym.rows(1, 1, "rearc", {})

    assert isinstance(unpacked(row.entry).entry["metadata"]["output"], tuple)
