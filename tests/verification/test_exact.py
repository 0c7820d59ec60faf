"""What `exact` takes for an answer."""

import pytest

from hybrid_rl.verification.exact import Exact
from tests.fakes.reward import settings

VERIFIER = Exact(settings("exact"))


@pytest.mark.parametrize(
    ("text", "judgement"),
    [
        ("a -1 2 6\n# 2 5", "correct"),
        ("#  2\n5 ", "correct"),
        ("# 2 6 # 2 5", "correct"),
        ("# 2 5 # 2 6", "wrong"),
        ("# 25", "wrong"),
        ("# 2 5 a", "wrong"),
        ("2 5", "unparseable"),
        ("2 5 #", "unparseable"),
    ],
)
def test_exact_takes_all_words_after_the_last_mark(text: str, judgement: str) -> None:
    assert VERIFIER.judge("2 5", text) == judgement


def test_a_hint_ends_before_the_first_mark() -> None:
    assert VERIFIER.answer_start("2 7\na -1 2 6\n# 2 6 # 2 7") == len("2 7\na -1 2 6\n")
    assert VERIFIER.answer_start("2 7") == 3


def test_solutions_that_state_the_same_words_vote_alike() -> None:
    assert {VERIFIER.vote("2 5", text) for text in ("a 1 # 2 6", "#  2 6 ")} == {"26"}
