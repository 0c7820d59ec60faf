"""Where a text states its answer, whatever the verifier."""

import re

import pytest

from hybrid_rl.verification import answers
from hybrid_rl.verification.exact import Exact
from hybrid_rl.verification.numeric import Numeric
from hybrid_rl.verification.roles import Roles
from tests.fakes.reward import settings


@pytest.mark.parametrize(
    ("hint", "rest"),
    [
        ("Put it in \\boxed{}.\n\n", "Hence the answer is 4. Check:\n\\boxed{4}"),
        ("It is 4. ", "In conclusion, 4."),
        ("It is 4.\n", "<answer>4</answer>"),
        ("Nothing is announced; 4", ""),
    ],
)
def test_a_hint_ends_before_the_earliest_statement_of_the_answer(hint: str, rest: str) -> None:
    assert answers.answer_start(hint + rest) == len(hint)


def test_a_verifier_may_know_more_ways_to_state_an_answer() -> None:
    text = "One. Two!  Three: 4. The answer is 4."
    assert answers.answer_start(text, re.compile("Three")) == text.index("Three")


def test_boxes_are_found_with_all_that_they_hold() -> None:
    text = r"\boxed{1} \fbox{\frac{1}{2}} \boxed{open"
    assert [text[span] for span in answers.boxed_spans(text)] == ["1}", r"\frac{1}{2}}"]
    assert answers.last_boxed(text) == r"\frac{1}{2}"
    assert answers.last_boxed(r"\boxed{\boxed{5}}") == "5"
    assert answers.last_boxed("none") is None


def test_what_counts_follows_the_last_mark_and_is_short() -> None:
    assert answers.answer_part("a</t>b</t>c", "</t>") == "c"
    assert answers.answer_part("abc", "</t>") == "abc"
    assert answers.answer_part("x" * 10**6, None) == "x" * answers.MAX_CHARS


@pytest.mark.parametrize(
    "piece",
    ["1", "1,", "1,111", "1 ", "1/", "{", r"\boxed{", "answer is ", "answer to ", "<answer>1 2", "#", "####", " ",
     "**", r"\frac{1}{2}", r"\text{", "- ", "\uff11", "Ada, ", "Ada is a knight or ", "(1) ", "\x00", "="],
)  # fmt: skip
def test_a_megabyte_of_anything_is_judged(piece: str) -> None:
    text = piece * (10**6 // len(piece))
    for verifier in (Numeric(settings("numeric")), Exact(settings("exact"))):
        assert verifier.judge("7", text) in ("wrong", "unparseable")
    assert Roles(settings("roles")).judge("(1) Ada is a knight", text) in ("wrong", "unparseable")
    assert 0 <= answers.answer_start(text) <= len(text)
