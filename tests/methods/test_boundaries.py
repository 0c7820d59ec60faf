"""Boundaries in texts of solutions: one kind at a time, and what protects from all."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from hybrid_rl.methods.boundaries import (
    around,
    clauses,
    lines,
    outside,
    paragraphs,
    protected_spans,
    sentences,
)
from hybrid_rl.methods.calculations import Calculation


def pieces(text: str, kind: Callable[[str], Iterator[int]]) -> list[str]:
    """The pieces into which the places of a kind part a text."""
    places = [0, *kind(text), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


def test_paragraphs_end_at_empty_lines_and_lines_at_breaks() -> None:
    text = "One.\nTwo.\n \nThree.\n\n\n  Four."
    assert pieces(text, paragraphs) == ["One.\nTwo.\n \n", "Three.\n\n\n  ", "Four."]
    assert pieces(text, lines) == ["One.\n", "Two.\n \n", "Three.\n\n\n  ", "Four."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 3.5. Is it? Yes! 5 more.", ["It is 3.5. ", "Is it? ", "Yes! ", "5 more."]),
        ("See e.g. Fig. 2 of Dr. No, A. Smith.", ["See e.g. Fig. 2 of Dr. No, A. Smith."]),
        ("1. Add it.\n2. Halve it. Stop", ["1. Add it.\n", "2. Halve it. ", "Stop"]),
        ('He said "5." Then “No.” And', ['He said "5." ', "Then “No.” ", "And"]),
        ("approx. half stays", ["approx. half stays"]),
        ("他走了。「好。」她说！对", ["他走了。", "「好。」", "她说！", "对"]),  # noqa: RUF001
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert pieces(text, sentences) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("At first, he sold 5; then: none", ["At first, ", "he sold 5; ", "then: ", "none"]),
        (
            "In 1,000 days, of 1, 2, 3 at 10:30, 2 : 3",
            ["In 1,000 days, ", "of 1, 2, 3 at 10:30, 2 : 3"],
        ),
        ("3,5 kg und 2,5 kg, also 6", ["3,5 kg und 2,5 kg, ", "also 6"]),
        ("It grew because she ate so much", ["It grew ", "because she ate so much"]),
        (
            "He slept so he missed it and they left",
            ["He slept ", "so he missed it ", "and they left"],
        ),
        ("a hundred and five apples and pears", ["a hundred and five apples and pears"]),
        (
            "f(x, y) of a (red, small) one, e.g., this",
            ["f(x, y) of a (red, small) one, ", "e.g., this"],
        ),
        ('"Well," he said', ['"Well," ', "he said"]),
        ("他有苹果，所以卖了；结果：好", ["他有苹果，", "所以卖了；", "结果：", "好"]),  # noqa: RUF001
        ("约1，000个、好", ["约1，000个、", "好"]),  # noqa: RUF001
    ],
)
def test_clauses(text: str, expected: list[str]) -> None:
    assert pieces(text, clauses) == expected


def test_calculations_have_a_place_before_and_behind_but_none_before_an_equals_sign() -> None:
    text = "so 1+1 = 2 and cost = 5 now"
    sums = [Calculation(3, 11, "2"), Calculation(20, 24, "5")]
    assert list(around(sums, text)) == [3, 11, 24]


def test_the_edges_of_a_span_are_outside_of_it() -> None:
    assert list(outside([1, 2, 3, 4, 5], [(2, 4), (4, 6)])) == [1, 2, 4]


@pytest.mark.parametrize(
    ("text", "protected"),
    [
        ("He has $5.\nShe has $7 and \\$3 left", []),
        ("a <<48/2=24>>24 b", ["<<48/2=24>>"]),
        ("cout << a >> b; 1 << 2", []),
        ("so [asy]\ndraw(a);\n\nfill(b);\n[/asy] is", ["[asy]\ndraw(a);\n\nfill(b);\n[/asy]"]),
        ("a ```b\nc", ["```b\nc"]),
        ("a \\[ b\nc", []),
        ("\\begin{a} b\nc", []),
    ],
)
def test_protected_spans(text: str, protected: list[str]) -> None:
    assert [text[a:b] for a, b in protected_spans(text)] == protected
