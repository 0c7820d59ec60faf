"""The verifier of reasoning-gym's tasks: what it reads of a text, and that the library's scorers decide."""

from fractions import Fraction

import pytest

from hybrid_rl.verification import verifier
from hybrid_rl.verification.reasoning_gym import (
    Gold,
    ReasoningGym,
    packed,
    stated_answer,
    unpacked,
)
from hybrid_rl.verification.verifier import judge_by
from tests.fakes.reward import settings

COUNTDOWN = Gold(
    "countdown",
    {"max_numbers": 4},
    {"question": "q", "answer": "3*5+1", "metadata": {"numbers": [1, 3, 5], "target": 16}},
)
OPEN = Gold("graph_color", {}, {"question": "q", "answer": None, "metadata": {}})


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("so <answer> 3*5+1 </answer>", "3*5+1"),
        ("<answer>1</answer> no, <answer>2</answer>", "2"),
        ("<answer>1\n2</answer>", "1\n2"),
        ("#### 7\n#### 8\n", "8"),
        ("<answer>7</answer> #### 8", "7"),
        ("the answer is 7", None),
        ("<answer>  </answer>", None),
        ("####", None),
    ],
)
def test_the_answer_is_read_from_the_last_tags_or_the_last_mark(
    text: str, stated: str | None
) -> None:
    assert stated_answer(text) == stated


def test_an_entry_comes_back_as_it_was_tuples_too() -> None:
    entry = {"metadata": {"output": ((1, 2), [3, (4,)]), "start": "a", "empty": ()}, "answer": "é"}

    assert unpacked(packed(Gold("arc_agi", {"a": 1}, entry))) == Gold("arc_agi", {"a": 1}, entry)


@pytest.mark.parametrize("answer", ["16", "", "[]", '{"task": "countdown"}'])
def test_a_gold_answer_that_is_no_entry_says_what_to_set(answer: str) -> None:
    with pytest.raises(ValueError, match=r"is no entry of reasoning-gym; use kind: reasoning_gym"):
        unpacked(answer)


def test_a_gold_answer_is_stated_in_tags_unless_there_is_none() -> None:
    found = ReasoningGym(settings("reasoning_gym"))

    assert found.stating(packed(COUNTDOWN)) == "<answer>3*5+1</answer>"
    assert found.stating(packed(OPEN)) is None


def test_equal_answers_count_for_the_same_in_a_vote() -> None:
    found = ReasoningGym(settings("reasoning_gym"))

    assert found.vote("", "<answer>1 + 2</answer>") == found.vote("", "so #### 1+2") == "1+2"


def test_the_verifier_is_found_by_its_name() -> None:
    found = verifier.built_in(settings("reasoning_gym"))

    assert isinstance(found, ReasoningGym)
    assert not found.in_process


def test_the_scorer_of_the_task_decides() -> None:
    pytest.importorskip("reasoning_gym")
    found, gold = ReasoningGym(settings("reasoning_gym")), packed(COUNTDOWN)

    assert judge_by(found, gold, "<answer>1+3*5</answer>").outcome == "correct"
    assert judge_by(found, gold, "<answer>1+3+5</answer>").outcome == "wrong"
    assert judge_by(found, gold, "16").outcome == "unparseable"


def test_what_json_cannot_hold_is_kept_as_text() -> None:
    entry = {"metadata": {"rate": Fraction(1, 2), 3: [True, None]}, "answer": "1"}

    assert unpacked(packed(Gold("a", {}, entry))).entry == {
        "metadata": {"rate": "1/2", "3": [True, None]},
        "answer": "1",
    }
