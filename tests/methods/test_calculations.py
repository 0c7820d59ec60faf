"""Calculations in texts of solutions: where each begins and ends, and what comes out."""

import time

import pytest

from hybrid_rl.methods.boundaries import protected_spans
from hybrid_rl.methods.calculations import calculations


def found(text: str) -> list[tuple[str, str]]:
    """The text and the result of every calculation."""
    return [(text[a:b], result) for a, b, result in calculations(text, protected_spans(text))]


@pytest.mark.parametrize(
    ("text", "calculation", "result"),
    [
        ("He sold 48 / 2 = 24 clips.", "48 / 2 = 24 ", "24"),
        ("He sold 48/2 = <<48/2=24>>24 clips.", "48/2 = <<48/2=24>>24 ", "24"),
        ("That is $600 x 168 = $<<600*168=100800>>100,800. So", None, "100,800"),
        ("16 plus 12 equals <<16+12=28>>28 in all", "<<16+12=28>>28 ", "28"),
        ("There are <<4+3=7>> of them", "<<4+3=7>> ", "7"),
        ("It took 7 votes * 3 = 21 votes", "7 votes * 3 = 21 ", "21"),
        ("The sum 2 * 3 = 6 * 5 = 30, then", "2 * 3 = 6 * 5 = 30, ", "30"),
        ("So 3U + 9 = 411 now", "3U + 9 = 411 ", "411"),
        ("Es sind 3,5 + 1,5 = 5,0 kg", "3,5 + 1,5 = 5,0 ", "5,0"),
        ("Soit 9 * 1 000 = 9 000 euros", "9 * 1 000 = 9 000 ", "9 000"),
        ("left: 1/2 * 7 = 3 1/2 pies", "1/2 * 7 = 3 1/2 ", "3 1/2"),
        ("She came at 6-4 = 2:00 am", "6-4 = 2:00 ", "2:00"),
        ("for $18.50 − $6.50 = $12 more", "$18.50 − $6.50 = $12 ", "12"),  # noqa: RUF001
        ("Off 20% * 50 = 10. More", "20% * 50 = 10. ", "10"),
        ("He had 2. 3*4=12", "3*4=12", "12"),
        ("(she has 2+3=5) left", "2+3=5) ", "5"),
        ("The cost = $5 each", "= $5 ", "5"),
        ("so **12** comes of **3 * 4 = 12** now", "= 12** ", "12"),
    ],
)
def test_a_calculation_runs_from_its_first_side_to_behind_its_result(
    text: str, calculation: str | None, result: str
) -> None:
    whole = "$600 x 168 = $<<600*168=100800>>100,800. " if calculation is None else calculation
    assert found(text) == [(whole, result)]


@pytest.mark.parametrize(
    "text",
    [
        "y = 3x",
        "10 = 24kg",
        "10 = 2 * 5",
        "30 = 6(5)",
        "8 = 2 ** 3",
        "it is 12, 24 and 3.5",
        "2 < 3 and 3 > 2",
        "```\na = 1\n```",
        "[asy] a = 1; [/asy]",
    ],
)
def test_what_ends_in_no_number_of_its_own_is_none(text: str) -> None:
    assert found(text) == []


def test_formulas_that_equate_are_calculations_of_their_own() -> None:
    text = "With $x=4$, we get\n$$y = 3x = 12.$$ Then \\(a = b\\) and $x^2$ are $5. He has y = $5, z = 3$."
    assert found(text) == [
        ("$x=4$, ", "4"),
        ("$$y = 3x = 12.$$ ", "12"),
        ("\\(a = b\\) ", ""),
        ("$5, z = 3$.", "3"),
    ]


@pytest.mark.parametrize(
    "piece", ["1 + ", "1 a b c + ", "2x 2x ", "(", "1 000 ", "<<1=1>>", "= $ - "]
)
def test_the_time_grows_no_faster_than_the_text(piece: str) -> None:
    start = time.perf_counter()
    found(piece * 2000)
    assert time.perf_counter() - start < 2
