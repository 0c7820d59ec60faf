"""Episodes: where a solution may be cut, and where never."""

import json
import re
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_rl.methods.boundaries import protected_spans
from hybrid_rl.methods.calculations import calculations
from hybrid_rl.methods.episodes import (
    episode_cuts,
    finer_limit,
    nearly_equal,
    shows_answer,
    token_cut,
    with_room,
)
from hybrid_rl.types import Trace
from tests.fakes.places import SHARED_DATA


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
    assert hints(trace(text), episodes=4) == [
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
    assert hints(trace("He has $5.\nShe has $7.\nTogether $12.")) == [
        "He has $5.",
        "He has $5.\nShe has $7.",
    ]


GSM8K = (
    "Natalia sold 48/2 = 24 clips in May, as told.\n"
    "In both months, Natalia sold 48+24 = 72 clips altogether.\n"
    "#### 72"
)


def test_calculations_and_clauses_join_in_where_sentences_are_few_and_the_last_result_stays_out() -> (
    None
):
    shown = hints(trace(GSM8K, tokens=r"\d|\w+|[^\w\s]", answer="#"))
    parts = [b[len(a) :].strip() for a, b in zip(("", *shown), shown, strict=False)]
    assert parts == [
        "Natalia sold",
        "48/2 = 24",
        "clips in May,",
        "as told.",
        "In both months,",
        "Natalia sold",
    ]


def test_sentences_that_suffice_keep_finer_cuts_out() -> None:
    shown = hints(trace(GSM8K, tokens=r"\d|\w+|[^\w\s]", answer="#"), episodes=2)
    assert shown == ["Natalia sold 48/2 = 24 clips in May, as told."]


def test_published_word_problems_have_many_episodes_and_no_more_hints_that_show_the_answer() -> (
    None
):
    path = SHARED_DATA / "gsm8k" / "train.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is absent: no GSM8K to cut")
    rows = [json.loads(line)["answer"] for line in path.read_text("utf-8").splitlines()[:1000]]
    texts = [re.sub("<<[^<>]*>>", "", row) for row in rows]
    experts = [trace(text, tokens=r"\d|\w+|[^\w\s]", answer="####") for text in texts]
    found = [hints(expert) for expert in experts]
    assert fmean(len(cuts) + 1 for cuts in found) > 6.5  # sentences alone give 3.5
    assert fmean(len(cuts) < 3 for cuts in found) < 0.05  # and 0.56
    told = 0
    for expert, cuts in zip(experts, found, strict=True):
        answer = expert.text.rpartition("#### ")[2].strip()
        by_sentence = expert.text[: expert.answer_start].rstrip().rpartition("\n")[0]
        told += shows_answer(cuts[-1], answer) and not shows_answer(by_sentence, answer)
    assert told == 1  # its last line is several sentences


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        (
            "So, in all, she has 2 * 3 = 6, then 6 + 4 = 10 left, as said",
            "So, in all, she has 2 * 3 = 6, then ",
        ),
        ("So, she has 10 left, because 6 + 4 = 10", "So, she has "),
        ("So, 100 of them, since 6 + 4 = 10", "So, 100 of them, since "),
        ("So, as we know, she has ten, at last", ""),
        ("So, we see, $x = 5$, and, thus, $y = 7$", "So, we see, $x = 5$, and, thus, "),
    ],
)
def test_a_finer_cut_does_not_show_what_the_last_sentence_finds(last: str, shown: str) -> None:
    text = f"She counts, 1 + 1 = 2, all. {last}"
    start = text.index("So")
    limit = finer_limit(text, start, calculations(text, protected_spans(text)))
    assert text[start:limit] == shown


def test_a_finer_cut_leaves_half_an_equal_share_to_its_neighbours() -> None:
    # Half of 100 / 10 tokens is 5.
    assert with_room([40], [3, 5, 9, 10, 44, 45, 96], 100, 10) == [5, 10, 40, 45]
    assert with_room([], [95], 100, 10) == [95]


def test_the_words_of_an_equation_part_it_nowhere() -> None:
    text = "She got 6 apples when sold * 2 = 12 when told. So"
    assert hints(trace(text)) == [
        "She got",
        "She got 6 apples when sold * 2 = 12",
        "She got 6 apples when sold * 2 = 12 when told.",
    ]


def test_a_calculator_mark_stays_in_one_piece() -> None:
    text = "He ate 3 * 4 = <<3*4=12>>12, and then he drank. So"
    assert hints(trace(text, tokens=r"\d|\w+|[^\w\s]")) == [
        "He ate",
        "He ate 3 * 4 = <<3*4=12>>12,",
        "He ate 3 * 4 = <<3*4=12>>12, and then he drank.",
    ]


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
    (
        *("word ", "end. ", "Next! ", "\n", "\n\n", "$a\nb$ ", "```\nc\n``` ", "5 "),
        *("1,000 ", "so, ", "3 * 4 = 12 ", "6/2 = <<6/2=3>>3 ", "(a, b) ", "so that "),
    )
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
        assert not re.match(r"\d[,.]?\d", text[end - 1 :])
        assert not re.match(r"[*/=]", text[end:].lstrip())
