"""Episodes: where a solution may be cut, and where never."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_rl.methods.episodes import episode_cuts, nearly_equal, protected_spans, token_cut
from hybrid_rl.types import Trace


def trace(text: str, tokens: str = r"\S+", answer: str | None = None) -> Trace:
    """A trace whose tokens are the matches of a pattern; `answer` starts the statement of it."""
    ends = tuple(match.end() for match in re.finditer(tokens, text))
    start = len(text) if answer is None else text.index(answer)
    return Trace(text, tuple(range(len(ends))), ends, start)


def hints(expert: Trace, episodes: int = 10) -> list[str]:
    """The text of every prefix."""
    return [expert.text[: expert.ends[cut - 1]] for cut in episode_cuts(expert, episodes)]


LEDGER = "\n".join(["a -1 2 6", "b -3 2 3", "c +2 2 5", "d -1 2 4", "# 2 4"])


def test_a_short_ledger_is_cut_at_each_line_and_keeps_its_last_operation_and_answer_out() -> None:
    assert hints(trace(LEDGER, answer="#")) == [
        "a -1 2 6",
        "a -1 2 6\nb -3 2 3",
        "a -1 2 6\nb -3 2 3\nc +2 2 5",
    ]


def test_a_line_break_that_is_a_token_goes_with_the_prefix() -> None:
    assert hints(trace(LEDGER, tokens=r"[^\s]+|\n", answer="#"))[0] == "a -1 2 6\n"


def test_twelve_lines_become_ten_episodes_of_nearly_equal_length() -> None:
    lines = [f"{label} -1 2 {i % 10}" for i, label in enumerate("abcdefghijkl")]
    cuts = episode_cuts(trace("\n".join([*lines, "# 2 1"]), answer="#"), 10)
    sizes = [b - a for a, b in zip((0, *cuts), (*cuts, 48), strict=True)]
    assert len(sizes) == 10
    assert set(sizes) == {4, 8}


def test_paragraphs_suffice_when_there_are_enough_of_them() -> None:
    text = "One. Two.\nThree.\n\nFour. Five.\n\nSix."
    assert hints(trace(text), episodes=3) == [
        "One. Two.\nThree.",
        "One. Two.\nThree.\n\nFour. Five.",
    ]


def test_lines_join_in_before_sentences() -> None:
    text = "One. Two.\nThree.\n\nFour."
    assert hints(trace(text), episodes=3) == ["One. Two.", "One. Two.\nThree."]


def test_sentences_end_at_stops_but_not_in_numbers_abbreviations_or_list_marks() -> None:
    text = "1. Take 3.14 here, e.g. Archimedes did (see Fig. 2). Is it so? Yes! So it ends."
    assert hints(trace(text)) == [
        "1. Take 3.14 here, e.g. Archimedes did (see Fig. 2).",
        "1. Take 3.14 here, e.g. Archimedes did (see Fig. 2). Is it so?",
        "1. Take 3.14 here, e.g. Archimedes did (see Fig. 2). Is it so? Yes!",
    ]


@pytest.mark.parametrize(
    "inside",
    [
        "$a\nb. C$",
        "$$\na\n\nb\n$$",
        "\\[a\n\nb. C\\]",
        "\\(a\nb\\)",
        "\\begin{align}a\\\\\n\\begin{align}b\\end{align}\nc\\end{align}",
        "```python\na = 1\n\nb = 2\n```",
    ],
)
def test_nothing_is_cut_inside_formulas_environments_and_code(inside: str) -> None:
    text = f"First\n{inside}\nlast"
    assert hints(trace(text)) == ["First", f"First\n{inside}"]


def test_money_is_no_formula() -> None:
    assert protected_spans("He has $5.\nShe has $7 and \\$3 left") == []
    assert hints(trace("He has $5.\nShe has $7.\nTogether $12.")) == [
        "He has $5.",
        "He has $5.\nShe has $7.",
    ]


def test_an_open_fence_protects_the_rest_and_an_open_bracket_nothing() -> None:
    assert protected_spans("a ```b\nc") == [(2, 8)]
    assert protected_spans("a \\[ b\nc") == []
    assert protected_spans("\\begin{a} b\nc") == []


def test_a_token_that_holds_text_of_both_sides_is_not_cut() -> None:
    text = "ab.\ncd.\nef"
    merged = trace(text, tokens=r"ab|\.\ncd|\.\n|ef")
    assert token_cut(merged, text.index("cd")) is None
    assert hints(merged) == ["ab.\ncd.\n"]


def test_a_line_break_may_belong_to_the_token_after_it() -> None:
    assert hints(trace("ab\ncd\nef", tokens=r"\n?\w+")) == ["ab", "ab\ncd"]


def test_tokens_that_share_one_character_stay_together() -> None:
    # Three byte tokens of one sign: they all end where the sign ends.
    expert = Trace("☃\nb", (1, 2, 3, 4, 5), (1, 1, 1, 2, 3), 3)
    assert episode_cuts(expert, 10) == (4,)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("all in one line", None),
        ("The answer is 5.\nBecause so.", "The answer"),
        ("one line\nThe answer is 5.", "The answer"),
        ("a 5\n$x =\n\\boxed{5}$", "\\boxed"),
        ("", None),
    ],
)
def test_a_solution_without_a_place_to_cut_has_no_hints(text: str, answer: str | None) -> None:
    expected = ["a 5"] if text.startswith("a 5") else []
    assert hints(trace(text, answer=answer)) == expected


def test_nearly_equal_takes_the_cuts_nearest_to_equal_shares() -> None:
    assert nearly_equal([1, 2, 9, 11, 19, 21, 29], 40, 4) == (9, 19, 29)
    assert nearly_equal([1, 2, 3, 4], 100, 4) == (2, 3, 4)
    assert nearly_equal([5], 10, 4) == (5,)


PIECES = st.sampled_from(
    ["word ", "end. ", "Next! ", "\n", "\n\n", "$a\nb$ ", "```\nc\n``` ", "5 "]
)


@given(st.lists(PIECES, max_size=40), st.integers(2, 12), st.data())
def test_cuts_are_increasing_few_unprotected_and_before_the_answer(
    pieces: list[str], episodes: int, data: st.DataObject
) -> None:
    text = "".join(pieces)
    start = data.draw(st.integers(0, len(text)))
    whole = trace(text, tokens=r"\s?\w+|[^\w]")
    expert = Trace(text, whole.ids, whole.ends, start)
    cuts = episode_cuts(expert, episodes)
    assert len(cuts) < episodes
    assert list(cuts) == sorted(set(cuts))
    for cut in cuts:
        end = expert.ends[cut - 1]
        assert end < start
        assert text[end:start].strip()
        assert not any(first < end < last for first, last in protected_spans(text))
