"""How a number is read from text, apart from where an answer is announced."""

from fractions import Fraction

import pytest

from hybrid_rl.verification.number_text import ascii_digits, last_number, leading_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", None),
        ("7 apples", Fraction(7)),
        ("3 + 4 = 7", Fraction(7)),
        ("\n\n **-1,234.50** and more", Fraction(-12345, 10)),
        ("she pays 7", None),
    ],
)
def test_a_number_is_read_where_a_line_begins_or_after_its_last_equals_sign(
    text: str, number: Fraction | None
) -> None:
    assert leading_number(text) == number


def test_a_number_inside_a_line_counts_only_where_asked_for_and_alone() -> None:
    assert leading_number("she pays 7 dollars", anywhere=True) == 7
    assert leading_number("she pays 7 of 9", anywhere=True) is None
    assert leading_number("she pays 7 for h2o", anywhere=True) is None
    assert leading_number("it is not 7", anywhere=True) is None


def test_a_numbered_heading_is_no_number_where_headings_are_expected() -> None:
    assert leading_number("2. Count the cows", headings=True) is None
    assert leading_number("2. Count the cows") == 2
    assert leading_number("2.", headings=True) == 2


def test_the_last_number_is_that_of_the_whole_text() -> None:
    assert last_number("3 cakes, then 2, so 1/2 is left") == Fraction(1, 2)
    assert last_number("none") is None


def test_digits_of_every_script_are_digits() -> None:
    assert ascii_digits("\u0664\uff12\u00b2") == "42\u00b2"
