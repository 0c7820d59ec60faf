"""What `symbolic` takes for an expression, in the processes in which it runs."""

import json
from collections.abc import Iterator
from threading import Thread

import pytest

from hybrid_rl.types import Verdict
from hybrid_rl.verification.grader import Grader, Solution
from hybrid_rl.verification.symbolic import Symbolic
from tests.fakes.places import SHARED_DATA as DATA
from tests.fakes.reward import settings


@pytest.fixture(scope="module")
def symbolic() -> Iterator[Grader]:
    with Grader(settings("symbolic", timeout_seconds=60)) as grader:
        yield grader


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
        ("52", "\\boxed{5\u00b2}", "wrong"),
        (r"\frac{2}{3}", r"\boxed{\frac{2}{3} \approx 0.667}", "correct"),
        ("0.7", r"\boxed{\frac{2}{3} \approx 0.7}", "wrong"),
        ("5", r"\boxed{5 \approx 6.0}", "wrong"),
        ("2516_8", r"\boxed{2516_{\text{eight}}}", "correct"),
        ("(1,2)", r"\boxed{x=1, y=2}", "correct"),
        ("(1,2)", r"\boxed{y=1, x=2}", "wrong"),
        ("17", r"\boxed{17 \text{ (seventeen)}}", "correct"),
        ("B", "The answer is option B.", "correct"),
        ("[0,1]", "The answer is the interval $[0,1]$.", "correct"),
        ("4", "The answer is the number of 4s.", "unparseable"),
        ("5", "so x = 5", "unparseable"),
        ("5", r"\boxed{}", "unparseable"),
        ("25", r"\boxed{25}</think> I do not know", "unparseable"),
    ],
)
def test_expressions_are_equal_when_sympy_says_so(
    symbolic: Grader, answer: str, text: str, outcome: str
) -> None:
    assert symbolic.grade([Solution(answer, text)])[0].outcome == outcome


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
        "the gold answer '\\\\frac{1}{' is not an expression",
        None,
    ]


@pytest.mark.skipif(not DATA.exists(), reason="the published data sets are not in ../shared/data")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["MATH-500", "AIME24", "AMC23", "Minerva", "Olympiad-Bench"])
def test_every_gold_answer_of_the_benchmarks_can_be_graded(symbolic: Grader, name: str) -> None:
    golds = [str(row["answer"]) for row in json.loads((DATA / "math" / f"{name}.json").read_text())]
    problems = symbolic.check_golds(golds)
    assert [(gold, one) for gold, one in zip(golds, problems, strict=True) if one] == []


@pytest.mark.parametrize("text", ["so \\boxed{x^2 + 1}", "\\boxed{ x^2+1 }. Done"])
def test_solutions_that_write_one_expression_vote_alike(text: str) -> None:
    assert Symbolic(settings("symbolic")).vote("x", text) == "x^2+1"


def test_without_a_box_the_sentence_that_states_the_answer_votes() -> None:
    verifier = Symbolic(settings("symbolic"))
    assert verifier.vote("x", "Well. The answer is y + 1") == "Theanswerisy+1"
