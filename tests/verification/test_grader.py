"""The grader: outcomes, rewards and counts, and that nothing a model or a user writes can hang or kill it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.reward import RewardSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Verdict
from hybrid_rl.verification import symbolic as expressions
from hybrid_rl.verification.grader import Grader, Solution
from tests.fakes.places import SHARED_DATA as DATA


def settings(option: str, **changes: Any) -> RewardSettings:
    values = yaml.safe_load((config_dir() / "reward" / f"{option}.yaml").read_text())
    return RewardSettings(**{**values, **changes})


@pytest.fixture(scope="module")
def symbolic() -> Iterator[Grader]:
    with Grader(settings("symbolic", timeout_seconds=60)) as grader:
        yield grader


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
    assert grader.outcomes == {"correct": 1, "wrong": 1, "unparseable": 1, "truncated": 1}
    assert grader.error_rate == 0


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
    assert (grader.errors, grader.error_rate) == (1, 1.0)


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
        assert grader.check_gold(answer) == problem
    assert grader.calls == 0


def test_cheap_verifiers_start_no_process_and_load_no_sympy() -> None:
    code = (
        "import sys, multiprocessing, yaml\n"
        "from hybrid_rl.verification.grader import Grader, Solution\n"
        "from hybrid_rl.config.reward import RewardSettings\n"
        f"grader = Grader(RewardSettings(**yaml.safe_load(open({str(config_dir() / 'reward/numeric.yaml')!r}))))\n"
        "grader.grade([Solution('5', '#### 5')])\n"
        "print(multiprocessing.active_children(), 'sympy' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False False\n"


@pytest.mark.parametrize(
    ("answer", "text", "outcome"),
    [
        (r"\frac{1}{2}", r"\boxed{0.5}", "correct"),
        ("1/2", r"The answer is $\frac24$.", "correct"),
        ("1/2", "#### 0.5", "correct"),
        ("x^2+2x+1", r"\boxed{(x+1)^2}", "correct"),
        ("x^2+2x+1", r"\boxed{(x+2)^2}", "wrong"),
        (r"\left( 3, \frac{\pi}{2} \right)", r"\boxed{(3,\pi/2)}", "correct"),
        ("(3,4)", r"\boxed{(4,3)}", "wrong"),
        ("1,2", r"\boxed{2} and \boxed{1}", "correct"),
        ("1", r"\boxed{1}. Wait. \boxed{2}", "wrong"),
        (r"\text{(C)}", r"\boxed{C}", "correct"),
        (r"\$18.90", r"\boxed{18.9}", "correct"),
        ("4.5e33", r"\boxed{4.5 \times 10^{33}}", "correct"),
        ("50", r"\boxed{50\%}", "correct"),
        ("[0,1)", r"\boxed{0 \le x < 1}", "correct"),
        ("1/3", r"\boxed{0.33}", "wrong"),
        ("5", "\\boxed{\uff15}", "correct"),
        ("52", "\\boxed{5\u00b2}", "unparseable"),
        ("5", "so x = 5", "unparseable"),
        ("5", r"\boxed{}", "unparseable"),
        ("25", r"\boxed{25}</think> I do not know", "unparseable"),
    ],
)
def test_expressions_are_equal_when_sympy_says_so(
    symbolic: Grader, answer: str, text: str, outcome: str
) -> None:
    assert symbolic.grade([Solution(answer, text)])[0].outcome == outcome


def test_infinity_is_no_number_whatever_sympy_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # In some processes sympy simplifies 7 - oo**oo to 0, and then holds them equal.
    monkeypatch.setattr(
        expressions,
        "verify",
        lambda *both, **options: not any(isinstance(one, str) for one in both),
    )
    assert expressions.symbolic("7", r"\boxed{\infty^{\infty}}") == "wrong"
    assert expressions.symbolic(r"\infty", r"\boxed{\infty}") == "correct"


def test_a_grader_works_in_a_thread_and_verifies_equal_solutions_once(symbolic: Grader) -> None:
    found: list[Verdict] = []
    calls = symbolic.calls
    thread = Thread(
        target=lambda: found.extend(symbolic.grade([Solution("7", r"\boxed{7}")] * 100))
    )
    thread.start()
    thread.join()
    assert found == [Verdict("correct", 1.0)] * 100
    assert symbolic.calls == calls + 100


def test_a_symbolic_gold_answer_is_checked(symbolic: Grader) -> None:
    assert symbolic.check_golds([r"\frac{1}{2}", "$1$ or $2$", "", r"\frac{1}{", "1"]) == [
        None,
        None,
        "it is empty",
        "a solution that states it is unparseable",
        None,
    ]


@pytest.mark.skipif(not DATA.exists(), reason="the published data sets are not in ../shared/data")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["MATH-500", "AIME24", "AMC23", "Minerva", "Olympiad-Bench"])
def test_every_gold_answer_of_the_benchmarks_can_be_graded(symbolic: Grader, name: str) -> None:
    golds = [str(row["answer"]) for row in json.loads((DATA / "math" / f"{name}.json").read_text())]
    problems = symbolic.check_golds(golds)
    assert [(gold, one) for gold, one in zip(golds, problems, strict=True) if one] == []


def test_format_is_rewarded_apart() -> None:
    with Grader(settings("roles_format", correct=1.0, format=0.25)) as grader:
        gold = "(1) Ada is a knight"
        found = grader.grade(
            [
                Solution(gold, f"<think>so</think>\n<answer>{gold}</answer>"),
                Solution(gold, "so</think><answer>Ada is a knave</answer>"),
                Solution(gold, gold),
            ]
        )
    assert [verdict.reward for verdict in found] == [1.25, 0.25, 1.0]


def test_a_format_pattern_that_never_ends_costs_its_clock_only() -> None:
    with Grader(
        settings("exact", format=0.5, format_pattern="(a+)+$", timeout_seconds=1.0)
    ) as grader:
        found = grader.grade([Solution("2", "a" * 50 + "# 2"), Solution("2", "# 2 a")])
    assert found == [Verdict("correct", 1.0), Verdict("wrong", 0.5)]
    assert grader.errors == 1


def test_a_users_function_gives_scores() -> None:
    with Grader(
        settings("exact", verifier="tests.fakes.user_verifiers.share_of_words", correct=2.0)
    ) as grader:
        found = grader.grade([Solution("a b", text) for text in ("a b", "b", "c", "")])
        assert [grader.check_gold(answer) for answer in ("a", " ")] == [None, "it is empty"]
    assert found == [
        Verdict("correct", 2.0),
        Verdict("wrong", 1.0),
        Verdict("wrong", 0.0),
        Verdict("unparseable", 0.0),
    ]


def test_a_users_function_may_misbehave_in_every_way() -> None:
    texts = ["yes", "sleep", "allocate", "exit", "raise", "abort", "yes", "no"]
    verifier = settings(
        "exact",
        verifier="tests.fakes.user_verifiers.obeys",
        timeout_seconds=2.0,
        memory_mb=256,
        workers=2,
    )
    with Grader(verifier) as grader:
        found = grader.grade([Solution("yes", text) for text in texts])
        again = grader.grade([Solution("yes", "yes")])
    assert [verdict.outcome for verdict in found] == [
        "correct",
        "timeout",
        "unparseable",  # MemoryError, raised by the limit
        "timeout",
        "unparseable",
        "timeout",
        "correct",
        "wrong",
    ]
    assert again == [Verdict("correct", 1.0)]
    assert (grader.errors, grader.calls) == (5, 9)


@pytest.mark.parametrize(
    ("verifier", "text", "message"),
    [
        (
            "tests.fakes.user_verifiers.obeys",
            "three",
            "it returned '3.0'; allowed are True, False, a number from 0 to 1, and None for unparseable;"
            " correct the function",
        ),
        (
            "tests.fakes.user_verifiers.nothing",
            "",
            "cannot be used (AttributeError: module 'tests.fakes.user_verifiers' has no attribute 'nothing'); give"
            " exact, numeric, symbolic, roles, or the dotted path of a function that can be imported",
        ),
        (
            "tests.fakes.user_verifiers.NOT_A_FUNCTION",
            "",
            "cannot be used (TypeError: tests.fakes.user_verifiers.NOT_A_FUNCTION is a int, not a function); give"
            " exact, numeric, symbolic, roles, or the dotted path of a function that can be imported",
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
    assert grader.first_error == "KeyError: 'broken'"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_foreseen_is_verified_before_it_is_graded_and_once(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    made = settings("exact", verifier="tests.fakes.user_verifiers.noted", timeout_seconds=60)
    solutions = [Solution(str(notes), text) for text in ("a", "b", "a")]
    with Grader(made) as grader:
        for solution in (*solutions, Solution(str(notes), "cut", truncated=True)):
            grader.foresee(solution)
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
            grader.foresee(solution)
        assert len(grader.grade(solutions)) == 20
    assert sorted(notes.read_text().split()) == sorted(map(str, range(20)))


def test_a_verifier_that_cannot_be_used_is_told_when_grading() -> None:
    with Grader(settings("exact", verifier="tests.fakes.user_verifiers.NOT_A_FUNCTION")) as grader:
        grader.foresee(Solution("1", "1"))
        with pytest.raises(SettingsError, match="cannot be used"):
            grader.grade([Solution("1", "1")])
