"""When two questions are one, and what a fingerprint depends on."""

import hashlib
import json
from dataclasses import asdict, replace

import pytest

from hybrid_rl.data.questions import Message, Question, fingerprint, normalise

QUESTION = Question("a", (Message("user", "1 + 1?"),), "1 + 1?", "2", "It is 2", "1")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is  $x + y$?", "what is x+y"),
        ("A\nknight.", "a knight"),
        (r"$\left( 3,\, 4 \right)$", "(3, 4)"),
        ("Janet\u2019s \u201cducks\u201d", 'Janet\'s "ducks"'),
        ("\uff11 + 2", "1+2"),
    ],
)
def test_two_printings_of_a_question_are_one(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x + y", "x - y"),
        ("3.5", "35"),
        ("f'(x)", "f(x)"),
        ("1 2", "12"),
        ("5!", "5"),
        ("1,000", "1 000"),
    ],
)
def test_two_questions_stay_two(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "b"},
        {"messages": (Message("system", "1 + 1?"),)},
        {"question": "1 + 2?"},
        {"answer": "3"},
        {"trace": None},
        {"level": None},
    ],
)
def test_a_fingerprint_depends_on_every_field(change: dict[str, object]) -> None:
    assert fingerprint([replace(QUESTION, **change)]) != fingerprint([QUESTION])


def test_a_fingerprint_depends_on_order_and_number() -> None:
    other = replace(QUESTION, id="b")
    prints = {
        fingerprint(found) for found in ([], [QUESTION], [QUESTION, other], [other, QUESTION])
    }

    assert len(prints) == 4


def test_a_fingerprint_is_that_of_one_list_in_json() -> None:
    """Runs of earlier versions, which wrote the list as a whole, are compared with those of today."""
    asked = [QUESTION, replace(QUESTION, id="é", columns={"b": [1], "a": {"z": None, "y": 0.5}})]
    rows = [asdict(question) for question in asked]
    del rows[0]["columns"]
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert fingerprint(asked) == hashlib.sha256(text.encode()).hexdigest()
