"""Numbers in English words."""

from fractions import Fraction

import pytest

from hybrid_rl.verification.number_words import in_words


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("twelve", 12),
        ("Twenty-two", 22),
        ("three hundred and five", 305),
        ("two million", 2_000_000),
        ("one thousand two hundred", 1200),
        ("one half", Fraction(1, 2)),
        ("two-thirds", Fraction(2, 3)),
    ],
)
def test_words_spell_a_number(text: str, number: int | Fraction) -> None:
    assert in_words(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "and", "five six", "twenty eleven", "thirty twenty", "hundred", "twelve or thirteen", "zero five", "half"],
)  # fmt: skip
def test_other_words_spell_none(text: str) -> None:
    assert in_words(text) is None
