"""What may follow a number, and what makes it a part of something else."""

import pytest

from hybrid_rl.verification.after_number import may_follow, unit_of, units_differ


@pytest.mark.parametrize(
    "rest",
    ["", ".", " apples", "%", r" \deg", " km/h", " m", " cm^2", r" \unit {m}/\unit {s}^{2}", "-hour drive",
     " dollars per 3 cows", " (since 10/2=5)", " (not 13)", ", in total, so she pays 3", " because 2+3=5", " and not 8",
     " times as many", " miles in 2 hours", " {units}", "</answer>", ";", " or so"],
)  # fmt: skip
def test_units_reasons_and_clauses_leave_a_number_alone(rest: str) -> None:
    assert may_follow(rest)


@pytest.mark.parametrize(
    "rest",
    [" or 6", ", or 6", " to 6", ", 6", "; 6", " 6", "-6", ":30", "/x", "^2", "(6)", "!", "k", "x", " x 3", "R^2", " x",
     r"\theta",
     " < x", r" \neq 5", " sqrt(5)", " times 4", " plus 3", " out of 10", " million", " dozen", " and a half",
     " hours 20 minutes", " apples and 4 pears", " or maybe 13", " if x > 2", " less than x", ".5.6"],
)  # fmt: skip
def test_anything_else_makes_it_a_part(rest: str) -> None:
    assert not may_follow(rest)


@pytest.mark.parametrize(
    ("rest", "unit"),
    [
        (" inches ^2", "inch2"),
        (" square feet", "foot2"),
        (r" \unit {m}", "meter"),
        (" apples", ""),
        (r" m/s", "meter/second"),
        (" km per hour", "km/hour"),
        (r" \deg C", "degree/C"),
        (" kJ", "kJ"),
    ],
)
def test_known_units_have_one_name(rest: str, unit: str) -> None:
    assert unit_of(rest) == unit


@pytest.mark.parametrize(
    "rest",
    [" in 5", " in base 2", " (binary)", " (or 6)", " hundredths", " sixths", " ten-thousands", " per cent of 60",
     " at most", " at least", " and up", ", doubled", " negative", ", which is wrong", " \u2717", "; no, 20",
     " - no, 20",     ", sorry, 20", ", actually 20", ", I mean twenty", ", rounded up to 20", ", if Tom is right",
     ", assuming that x = 2",     ", unless x = 3", " each, so 36 in total", " per day, or 54 in all",
     " June", "th", " only when x > 0",
     " for x > 0, but 6 for x < 0", " when x > 0 and 6 otherwise", " less than 40",
     " ... 9", " is wrong", ", but that is wrong", " (extraneous)", " lakh", "/pi"],
)  # fmt: skip
def test_odds_bases_parts_and_what_is_taken_back_change_a_number(rest: str) -> None:
    assert not may_follow(rest)


@pytest.mark.parametrize(
    "rest",
    [
        " more eggs than Tom",
        " eggs left over",
        " times",
        " times a week",
        " [eggs]",
        " dollars per day",
        " each, so 9 + 9",
        "/hour",
        " \u2705",
        r" \deg C",
        " (48 in April, 24 in May)",
        "... Indeed",
        " in 5 days",
    ],
)
def test_rates_pictures_and_asides_leave_a_number_alone(rest: str) -> None:
    assert may_follow(rest)


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [("meter/second", "km/hour", True), ("meter/second", "meter/hour", True), ("meter/second", "meter", False),
     ("degree/C", "degree/F", True), ("degree/C", "degree", False), ("volt", "ampere", True), ("volt", "", False)],
)  # fmt: skip
def test_units_differ_only_where_both_are_written(one: str, other: str, differ: bool) -> None:
    assert units_differ(one, other) is differ
    assert units_differ(other, one) is differ
