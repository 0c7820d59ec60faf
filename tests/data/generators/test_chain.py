"""Chained sums: what their texts look like, written out by hand, and that Python's own arithmetic agrees."""

from random import Random

import pytest

from hybrid_rl.data.generators import chain
from hybrid_rl.data.generators.chain import Chain

SUM = Chain(61, (("+", 58), ("-", 86)))
PRODUCT = Chain(61, (("+", 58), ("*", 3), ("*", 2), ("-", 86)))


def test_a_question_is_the_expression() -> None:
    assert chain.question(SUM) == "61+58-86"


def test_a_solution_has_a_line_per_operation_and_ends_with_the_result() -> None:
    assert chain.solution(SUM) == "61+58=119\n119-86=33\n#### 33"
    assert chain.answer(SUM) == "33"


def test_a_product_is_taken_of_all_that_stands_before_it() -> None:
    assert chain.question(PRODUCT) == "(61+58)*3*2-86"
    assert chain.question(Chain(4, (("*", 3), ("+", 2)))) == "4*3+2"
    assert chain.solution(PRODUCT) == "61+58=119\n119*3=357\n357*2=714\n714-86=628\n#### 628"


@pytest.mark.parametrize("operations", [["+"], ["+", "-"], ["-", "*"], ["+", "-", "*"]])
def test_the_answer_is_that_of_the_question_and_of_the_last_line(operations: list[str]) -> None:
    for row in chain.rows(200, 0, (2, 5), (0, 99), operations):  # type: ignore[arg-type]
        *lines, last = row.trace.split("\n")
        assert last == f"#### {row.answer}"
        assert eval(row.question) == int(row.answer)
        assert all(eval(line.replace("=", "==")) for line in lines)
        assert lines[-1].endswith(f"={row.answer}")
        assert row.level == str(1 + len(lines))


def test_no_result_on_the_way_is_below_zero() -> None:
    rows = chain.rows(500, 0, (5, 5), (10, 99), ["+", "-"])

    assert not any("=-" in row.trace for row in rows)
    assert {symbol for row in rows for symbol in row.question} == set("0123456789+-")


def test_terms_keep_to_their_ranges_and_reach_their_ends() -> None:
    rng = Random(0)
    drawn = [chain.draw(rng, (2, 4), (3, 5), ("+",)) for _ in range(300)]

    assert {len(one.steps) for one in drawn} == {1, 2, 3}
    assert {term for one in drawn for _, term in one.steps} == {3, 4, 5}
    assert {one.first for one in drawn} == {3, 4, 5}


def test_rows_are_distinct_and_reproducible_and_extend_shorter_lists() -> None:
    rows = chain.rows(60, 3, (2, 3), (1, 9), ["+", "-"])

    assert len({row.question for row in rows}) == 60
    assert rows[:20] == chain.rows(20, 3, (2, 3), (1, 9), ["+", "-"])
    assert rows[:20] != chain.rows(20, 4, (2, 3), (1, 9), ["+", "-"])


def test_more_chains_than_there_are_is_refused() -> None:
    # 2 + 2, 2 + 3, 3 + 2 and 3 + 3 are all.
    with pytest.raises(
        ValueError, match=r"^size = 5: only about 4 chains of \(2, 2\) terms from 2 to 3 can be"
    ):
        chain.rows(5, 0, (2, 2), (2, 3), ["+"])
