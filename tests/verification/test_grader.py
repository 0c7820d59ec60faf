"""The grader: outcomes, rewards and counts, the check of gold answers, and verification ahead of grading."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Verdict
from hybrid_rl.verification.functions import Asks
from hybrid_rl.verification.grader import Grader, Solution
from tests.fakes.reward import settings

MINE = "tests.fakes.user_verifiers"


def test_every_outcome_is_counted_and_rewarded() -> None:
    with Grader(settings("exact", correct=2.0)) as grader:
        texts = ["# 2 5", "# 2 6", "2 5"]
        found = grader.grade(
            [*(Solution("2 5", text) for text in texts), Solution("2 5", "# 2 5", True)]
        )
    assert found == [
        Verdict("correct", 2.0),
        Verdict("wrong", 0.0),
        Verdict("unparseable", 0.0),
        Verdict("truncated", 0.0),
    ]
    assert grader.calls == 4
    assert grader.first_error is None


def test_a_truncated_solution_may_be_credited() -> None:
    with Grader(settings("exact", credit_truncated=True)) as grader:
        found = grader.grade([Solution("2 5", "# 2 5", True), Solution("2 5", "# 2", True)])
    assert found == [Verdict("correct", 1.0), Verdict("truncated", 0.0)]


def test_an_answer_among_the_thoughts_does_not_count() -> None:
    with Grader(settings("numeric", answer_after="</think>")) as grader:
        found = grader.grade(
            [
                Solution("5", "#### 5</think>#### 6"),
                Solution("5", "#### 5</think>?"),
                Solution("5", "#### 5"),
            ]
        )
    assert [verdict.outcome for verdict in found] == ["wrong", "unparseable", "correct"]


def test_a_bad_gold_answer_is_an_error_and_no_reward() -> None:
    with Grader(settings("numeric")) as grader:
        assert grader.grade([Solution("many", "#### many")]) == [Verdict("unparseable", 0.0)]
    assert grader.first_error == "ValueError: the gold answer 'many' is not a number"


@pytest.mark.parametrize(
    ("option", "answer", "problem"),
    [
        ("exact", "2 5", None),
        ("exact", " ", "it is empty"),
        ("exact", "2 # 5", "a solution that states it is wrong"),
        ("numeric", "$1,234.5", None),
        ("numeric", "#### 3", None),
        ("numeric", "5 or 6", "the gold answer '5 or 6' is not a number"),
        ("roles", "(1) Ada is a knave", None),
        (
            "roles",
            "Ada",
            "the gold answer 'Ada' gives no roles; write it as '(1) Ada is a knight', a line per person",
        ),
    ],
)
def test_a_gold_answer_is_checked(option: str, answer: str, problem: str | None) -> None:
    with Grader(settings(option)) as grader:
        assert grader.check_golds([answer, answer]) == [problem, problem]
    assert grader.calls == 0


def test_format_is_rewarded_apart() -> None:
    with Grader(settings("roles_format", correct=1.0)) as grader:
        gold = "(1) Ada is a knight"
        found = grader.grade(
            [
                Solution(gold, f"<think>so</think>\n<answer>{gold}</answer>"),
                Solution(gold, "so</think><answer>Ada is a knave</answer>"),
                Solution(gold, gold),
            ]
        )
    assert [verdict.reward for verdict in found] == [1.2, 0.2, 1.0]


def test_every_kind_of_term_adds_its_weight_times_its_score() -> None:
    terms = {
        "boxed": {"weight": 0.5, "pattern": "x$"},
        "words": {"weight": 10, "verifier": f"{MINE}.share_of_words"},
        "number": {"weight": 1, "verifier": "numeric"},
        "size": {"weight": -1, "function": f"{MINE}.size"},
        "brief": {"weight": 100, "length": (4, 8)},
    }
    with Grader(settings("exact", terms=terms)) as grader:
        found = grader.grade(
            [
                Solution("2 x", "a # 2 x", tokens=4),
                Solution("2 x", "x #### 2", truncated=True, tokens=5),
                Solution("2 x", "", tokens=9),
            ]
        )
    scores = [
        {"boxed": 1.0, "words": 1.0, "number": 0.0, "size": 7.0, "brief": 0.0},
        {"boxed": 0.0, "words": 1.0, "number": 0.0, "size": 8.0, "brief": -0.25},
        {"boxed": 0.0, "words": 0.0, "number": 0.0, "size": 0.0, "brief": -1.0},
    ]
    assert [dict(verdict.scores) for verdict in found] == scores
    assert [verdict.reward for verdict in found] == [1 + 0.5 + 10 - 7, 10 - 8 - 25, -100]
    assert [verdict.outcome for verdict in found] == ["correct", "truncated", "unparseable"]


def test_a_pattern_that_never_ends_costs_its_clock_only() -> None:
    terms = {"form": {"weight": 0.5, "pattern": "(a+)+$"}}
    with Grader(settings("exact", terms=terms, timeout_seconds=1.0)) as grader:
        found = grader.grade([Solution("2", "a" * 50 + "# 2"), Solution("2", "# 2 a")])
    assert [(verdict.outcome, verdict.reward) for verdict in found] == [
        ("correct", 1.0),
        ("wrong", 0.5),
    ]
    assert grader.first_error == "it took longer than 1 seconds"


def test_who_needs_no_reward_asks_no_term(tmp_path: Path) -> None:
    terms = {"noted": {"weight": 1, "function": f"{MINE}.noted"}}
    answer = str(tmp_path / "notes")
    with Grader(settings("exact", terms=terms)) as grader:
        assert grader.outcomes([Solution(answer, f"# {answer}")]) == ["correct"]
        assert not Path(answer).exists()
        assert grader.calls == 1
        grader.grade([Solution(answer, "# 5")])
    assert Path(answer).read_text() == "# 5\n"


def test_all_functions_that_cannot_be_used_are_told_at_once() -> None:
    terms = {
        "gone": {"weight": 1, "function": f"{MINE}.nothing"},
        "level": {"weight": 1, "function": f"{MINE}.within"},
    }
    wrong = settings("exact", verifier=f"{MINE}.NOT_A_FUNCTION", terms=terms)
    with Grader(wrong) as grader, pytest.raises(SettingsError) as caught:
        grader.asks(training=True)
    first, second = str(caught.value).split("\n")
    assert first.startswith(f"reward.verifier = {MINE}.NOT_A_FUNCTION: cannot be used")
    assert second.startswith(f"reward.terms.gone.function = {MINE}.nothing: cannot be used")


def test_what_a_term_asks_for_is_asked_of_rows_to_train_on_alone() -> None:
    terms = {"near": {"weight": 1, "function": f"{MINE}.within"}}
    with Grader(settings("exact", terms=terms)) as grader:
        assert grader.asks(training=False) == {"reward.verifier = exact": Asks()}
        assert grader.asks(training=True) == {
            "reward.verifier = exact": Asks(),
            f"reward.terms.near.function = {MINE}.within": Asks(("tolerance",), ("unit",)),
        }


def test_a_users_function_gives_scores() -> None:
    with Grader(
        settings("exact", verifier="tests.fakes.user_verifiers.share_of_words", correct=2.0)
    ) as grader:
        found = grader.grade([Solution("a b", text) for text in ("a b", "b", "c", "")])
        assert grader.check_golds(["a", " "]) == [None, "it is empty"]
    assert found == [
        Verdict("correct", 2.0),
        Verdict("wrong", 1.0),
        Verdict("wrong", 0.0),
        Verdict("unparseable", 0.0),
    ]


@pytest.mark.parametrize(
    ("verifier", "text", "message"),
    [
        (
            "tests.fakes.user_verifiers.obeys",
            "three",
            "it returned '3.0'; allowed are True, False, a number from 0 to 1, and None for unparseable;"
            " correct the verifier",
        ),
        (
            "tests.fakes.user_verifiers.nothing",
            "",
            "cannot be used (AttributeError: module 'tests.fakes.user_verifiers' has no attribute 'nothing'); give"
            " exact, numeric, symbolic, roles, reasoning_gym, or the dotted path of a function or verifier that can be"
            " imported",
        ),
        (
            "tests.fakes.user_verifiers.NOT_A_FUNCTION",
            "",
            "cannot be used (TypeError: tests.fakes.user_verifiers.NOT_A_FUNCTION is a int, neither a function nor a"
            " verifier); give exact, numeric, symbolic, roles, reasoning_gym, or the dotted path of a function or"
            " verifier that can be imported",
        ),
    ],
)
def test_a_users_function_that_cannot_work_is_a_wrong_setting(
    verifier: str, text: str, message: str
) -> None:
    with (
        Grader(settings("exact", verifier=verifier)) as grader,
        pytest.raises(SettingsError) as caught,
    ):
        grader.grade([Solution("yes", text)])
    assert str(caught.value) == f"reward.verifier = {verifier}: {message}"


def test_the_first_failure_of_a_verifier_is_kept() -> None:
    with Grader(settings("exact", verifier="tests.fakes.user_verifiers.obeys")) as grader:
        grader.grade([Solution("a", "fine"), Solution("a", "raise"), Solution("a", "exit")])
    assert grader.first_error == "KeyError: 'broken' (user_verifiers.py:32)"
    assert (grader.calls, grader.failures) == (3, 2)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_told_early_is_verified_before_it_is_graded_and_once(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    made = settings("exact", verifier="tests.fakes.user_verifiers.noted", timeout_seconds=60)
    solutions = [Solution(str(notes), text) for text in ("a", "b", "a")]
    with Grader(made) as grader:
        for solution in (*solutions, Solution(str(notes), "cut", truncated=True)):
            grader.verify_early(solution)
        until(lambda: notes.exists() and notes.read_text().count("\n") == 2)
        assert grader.calls == 0
        late = Solution(str(notes), "late")
        found = grader.grade([*solutions, late])
        assert found == [Verdict("correct", 1.0)] * 4
        assert sorted(notes.read_text().split()) == ["a", "b", "late"]
        assert grader.calls == 4
        grader.grade([late])  # nothing is kept for longer than a call
        assert sorted(notes.read_text().split()) == ["a", "b", "late", "late"]


def test_what_is_graded_while_it_waits_is_verified_once(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    made = settings("exact", verifier="tests.fakes.user_verifiers.noted", timeout_seconds=60)
    solutions = [Solution(str(notes), str(number)) for number in range(20)]
    with Grader(made) as grader:
        for solution in solutions:
            grader.verify_early(solution)
        assert len(grader.grade(solutions)) == 20
    assert sorted(notes.read_text().split()) == sorted(map(str, range(20)))


def test_a_verifier_that_cannot_be_used_is_told_when_grading() -> None:
    with Grader(settings("exact", verifier="tests.fakes.user_verifiers.NOT_A_FUNCTION")) as grader:
        grader.verify_early(Solution("1", "1"))
        with pytest.raises(SettingsError, match="cannot be used"):
            grader.grade([Solution("1", "1")])
