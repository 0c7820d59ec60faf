"""How a number is read from a statement, apart from where an answer is announced."""

from fractions import Fraction

import pytest

from hybrid_rl.verification.number_text import last_number, stated_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", None),
        ("7 apples", Fraction(7)),
        ("3 + 4 = 7", Fraction(7)),
        ("7 = 3 + 4", Fraction(7)),
        ("7 = 8", None),
        ("-1,234.50 and more", Fraction(-12345, 10)),
        ("1.5 x 10^3", Fraction(1500)),
        ("3 1/2", Fraction(7, 2)),
        ("3 3/2", None),
        ("seven", Fraction(7)),
        ("18 dollars and 50 cents", Fraction(37, 2)),
        ("the difference between 12 and 5, which is 7", Fraction(7)),
        ("2 dozen, i.e. 24 eggs", Fraction(24)),
        ("more than 3 squared, which is 9", None),
        ("3 or 4, that is 7", None),
        ("5 apples, which is 2 more", Fraction(5)),
        ("18 => 20", None),
        ("x + 18", None),
        ("x - 18", None),
        ("June 18", None),
        ("room 18", None),
        ("undefined for x = 5", None),
    ],
)
def test_a_number_is_read_where_a_statement_begins_or_after_its_last_equals_sign(
    text: str, number: Fraction | None
) -> None:
    assert stated_number(text) == number


def test_a_number_inside_a_sentence_counts_only_alone_and_where_nothing_takes_it_back() -> None:
    assert stated_number("she pays 7 dollars") == 7
    assert stated_number("she pays 7 of 9") is None
    assert stated_number("she pays 7 for h2o") is None
    assert stated_number("it is not 7") is None
    assert stated_number("log 7") is None


def test_the_last_number_is_that_of_the_whole_text() -> None:
    assert last_number("3 cakes, then 2, so 1/2 is left") == Fraction(1, 2)
    assert last_number("none") is None


@pytest.mark.parametrize(
    "text", ["It is 5 or 6", "It is definitely not 6", "Is it 6?", "6 million"]
)
def test_the_last_number_is_none_where_the_text_does_not_state_it(text: str) -> None:
    assert last_number(text) is None
