"""Numbers, tables and blocks of text in Markdown."""

from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting import markdown


def test_a_bar_in_a_cell_ends_no_cell() -> None:
    assert markdown.table(["a", "b"], [["x|y", "z"]]) == [
        "| a | b |",
        "| --- | --- |",
        "| x\\|y | z |",
    ]


def test_an_estimate_stands_before_its_bounds() -> None:
    assert markdown.between(Interval(0.5, 0.4, 0.6)) == "0.500 [0.400, 0.600]"
    assert markdown.between(None) == "-"


def test_large_amounts_have_a_unit() -> None:
    assert markdown.amount(36_000_000_000) == "36 G"
    assert markdown.amount(12345.6) == "12.3 k"
    assert markdown.amount(9_999) == "9,999"
    assert markdown.amount(999_700) == "1 M"  # rounding has no "1000 k"
    assert markdown.amount(1.234e18) == "1.23 E"


def test_generated_text_cannot_end_its_block() -> None:
    assert markdown.fenced("a\n````\nb") == ["`````text", "a", "````", "b", "`````"]


def test_a_long_text_is_cut_and_says_so() -> None:
    assert markdown.fenced("x" * 1300)[1] == "x" * 1200 + "... (100 more characters)"


def test_what_is_shown_is_text_and_no_markup() -> None:
    shown = markdown.plain("<img src=x>\n[a](http://x) 1 < 2, p <0.05")
    assert shown == "&lt;img src=x> [a]\\(http://x) 1 < 2, p <0.05"
    assert markdown.table(["a"], [["<b>|\n"]])[-1] == "| &lt;b>\\| |"
    assert markdown.code("a`b``c") == "``` a`b``c ```"
