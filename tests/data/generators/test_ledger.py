"""The ledger task: what its texts look like, written out by hand, and that a second reading of them agrees."""

from collections import Counter
from random import Random

import pytest

from hybrid_rl.data.generators import ledger
from hybrid_rl.data.generators.ledger import Problem

PROBLEM = Problem(27, (-1, -3, 2, 1, -2))


def test_a_question_names_the_start_and_each_operation() -> None:
    assert ledger.question(PROBLEM) == "2 7 | a -1 b -3 c +2 d +1 e -2"


def test_a_verbose_solution_has_a_line_per_operation() -> None:
    assert ledger.solution(PROBLEM, "verbose") == (
        "a -1 2 6\nb -3 2 3\nc +2 2 5\nd +1 2 6\ne -2 2 4\n# 2 4"
    )


def test_a_terse_solution_has_every_third_line_counted_from_the_end() -> None:
    assert ledger.solution(PROBLEM, "terse") == "b -3 2 3\ne -2 2 4\n# 2 4"


@pytest.mark.parametrize(
    ("count", "labels"), [(1, "a"), (2, "b"), (3, "c"), (4, "ad"), (12, "cfil")]
)
def test_the_last_operation_is_always_written(count: int, labels: str) -> None:
    lines = ledger.solution(Problem(0, (1,) * count), "terse").split("\n")

    assert "".join(line[0] for line in lines[:-1]) == labels


def test_the_total_wraps_around_at_both_ends() -> None:
    assert ledger.answer(Problem(1, (-3,))) == "9 8"
    assert ledger.answer(Problem(99, (3,))) == "0 2"
    assert ledger.solution(Problem(98, (3, -2)), "verbose") == "a +3 0 1\nb -2 9 9\n# 9 9"


def test_a_pupil_who_always_misreads_adds_what_should_be_subtracted() -> None:
    assert ledger.pupil_solution(Problem(10, (-1, 2)), Random(0), misread=1.0) == (
        "a +1 1 1\nb +2 1 3\n# 1 3"
    )


def test_a_pupil_who_never_misreads_writes_the_verbose_solution() -> None:
    assert ledger.pupil_solution(PROBLEM, Random(0), misread=0.0) == ledger.solution(
        PROBLEM, "verbose"
    )


def test_a_pupil_misreads_six_of_ten_subtractions() -> None:
    rng = Random(0)
    solutions = [ledger.pupil_solution(Problem(50, (-1,)), rng) for _ in range(2000)]

    assert sum("+1" in text for text in solutions) / 2000 == pytest.approx(0.6, abs=0.03)


def test_the_vocabulary_covers_every_symbol_once() -> None:
    rows = ledger.rows(200, 0, (1, 16), None, "mixed")
    words = {word for row in rows for word in f"{row.question} {row.answer} {row.trace}".split()}
    vocabulary = ledger.vocabulary()

    assert words == set(vocabulary)
    assert len(vocabulary) == len(set(vocabulary)) == 10 + 16 + 6 + 2


def test_drawn_problems_keep_to_their_ranges() -> None:
    rng = Random(0)
    for _ in range(300):
        problem = ledger.draw(rng, (3, 6), (2, 5))
        minus = sum(n < 0 for n in problem.operations)
        assert 3 <= len(problem.operations) <= 6
        assert 2 <= minus <= min(5, len(problem.operations))
        assert all(1 <= abs(n) <= 3 for n in problem.operations)
        assert 0 <= problem.start < 100


def test_rows_are_distinct_and_reproducible_and_extend_shorter_lists() -> None:
    rows = ledger.rows(600, 3, (1, 1), None, "verbose")  # 600 is all there are

    assert len({row.question for row in rows}) == 600
    assert rows[:50] == ledger.rows(50, 3, (1, 1), None, "verbose")
    assert rows[:50] != ledger.rows(50, 4, (1, 1), None, "verbose")


def test_the_kind_of_traces_does_not_change_the_questions() -> None:
    questions = [
        [row.question for row in ledger.rows(20, 0, (12, 12), (10, 10), kind)]
        for kind in ("verbose", "terse", "mixed")
    ]

    assert questions[0] == questions[1] == questions[2]


def test_mixed_traces_are_those_of_the_two_kinds() -> None:
    kinds = ("verbose", "terse", "mixed")
    verbose, terse, mixed = (ledger.rows(50, 0, (12, 12), (10, 10), kind) for kind in kinds)

    choices = [row in (one, other) for row, one, other in zip(mixed, verbose, terse, strict=True)]
    assert all(choices)
    assert mixed[:20] == ledger.rows(20, 0, (12, 12), (10, 10), "mixed")
    assert [row.trace.count("\n") for row in mixed] != [
        row.trace.count("\n") for row in ledger.rows(50, 1, (12, 12), (10, 10), "mixed")
    ]


def test_mixed_traces_are_verbose_four_times_in_ten() -> None:
    rows = ledger.rows(2000, 0, (12, 12), (10, 10), "mixed")
    lines = Counter(row.trace.count("\n") for row in rows)

    assert set(lines) == {4, 12}
    assert lines[12] / 2000 == pytest.approx(0.4, abs=0.03)


def test_the_level_is_the_number_of_subtractions() -> None:
    for row in ledger.rows(50, 0, (1, 12), None, "terse"):
        assert row.level == str(row.question.count("-"))


def test_every_trace_ends_with_the_answer_that_the_question_asks_for() -> None:
    for row in ledger.rows(100, 0, (1, 12), None, "mixed"):
        start, operations = row.question.split(" | ")
        total = int(start.replace(" ", "")) + sum(int(word) for word in operations.split()[1::2])
        assert row.answer == " ".join(f"{total % 100:02d}")
        assert row.trace.endswith(f"\n# {row.answer}")


def test_more_questions_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^size = 601: .* allow only 600 questions$"):
        ledger.rows(601, 0, (1, 1), None, "terse")


def test_problems_are_counted_as_a_full_listing_counts_them() -> None:
    rng = Random(0)
    seen = {ledger.draw(rng, (1, 2), (1, 1)) for _ in range(40_000)}

    # 100 starts; one operation: 3 sizes; two: 2 places for the minus, 9 sizes.
    assert ledger.count_problems((1, 2), (1, 1)) == 100 * (3 + 18) == len(seen)
