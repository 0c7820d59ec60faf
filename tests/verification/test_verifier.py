"""What a verifier is by itself: how it is found, what a plain function lacks, and what it may return."""

import subprocess
import sys
import time

import pytest

from hybrid_rl.verification import verifier
from hybrid_rl.verification.verifier import Judged, PlainFunction, VerifierError, find, judge_by
from tests.fakes.places import ROOT
from tests.fakes.reward import settings


def test_cheap_verifiers_start_no_process_and_load_no_sympy() -> None:
    code = (
        "import sys, multiprocessing\n"
        "from hybrid_rl.verification.grader import Grader, Solution\n"
        "from tests.fakes.reward import settings\n"
        "grader = Grader(settings('numeric'))\n"
        "grader.grade([Solution('5', '#### 5')])\n"
        "grader.vote('5', '#### 6'), grader.answer_start('#### 5'), grader.check_golds(['5'])\n"
        "Grader(settings('symbolic')).vote('5', '6'), Grader(settings('symbolic')).answer_start('#### 5')\n"
        "print(multiprocessing.active_children(), 'sympy' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[] False False\n"


@pytest.mark.parametrize("name", ["exact", "numeric", "roles", "symbolic"])
def test_a_built_in_verifier_is_found_by_its_name(name: str) -> None:
    found = verifier.built_in(settings("exact", verifier=name))
    assert type(found).__name__ == name.capitalize()
    assert found is not None
    assert found.in_process == (name != "symbolic")
    assert verifier.built_in(settings("exact", verifier="my.own")) is None


@pytest.mark.parametrize(
    ("said", "judged"),
    [
        (True, Judged("correct", 1.0)),
        (0.25, Judged("wrong", 0.25)),
        (0, Judged("wrong", 0.0)),
        (None, Judged("unparseable")),
        ("wrong", Judged("wrong")),
    ],
)
def test_a_verifier_may_say_it_in_several_ways(said: object, judged: Judged) -> None:
    assert judge_by(PlainFunction(lambda answer, text: said), "a", "b") == judged


@pytest.mark.parametrize("said", [1.5, -1, float("nan"), "yes", [1]])
def test_a_verifier_must_not_return_anything_else(said: object) -> None:
    with pytest.raises(VerifierError, match=r"^it returned .*; allowed are True, False, a number"):
        judge_by(PlainFunction(lambda answer, text: said), "a", "b")


def test_a_plain_function_gets_the_rest_from_how_answers_are_usually_stated() -> None:
    plain = PlainFunction(lambda answer, text: True)
    assert plain.answer_start("hm. The answer is y.") == 4
    assert plain.vote("x", "hm. The answer is y.") == plain.vote("x", "The answer  is y.")
    assert plain.stating("x") is None


@pytest.mark.parametrize("name", ["numeric", "roles"])
@pytest.mark.parametrize("beginning", [r"\boxed{5}", "#### 5", "The answer is ", "Ada is a knight"])
def test_a_run_of_blanks_takes_no_time(name: str, beginning: str) -> None:
    # Patterns that share blanks between two places took minutes here, in a process without a clock.
    asked = find(settings(name))
    gold = "Ada is a knight" if name == "roles" else "5"
    began = time.process_time()
    for blank in (" ", "\n", "$ "):
        asked.judge(gold, beginning + blank * 15_000)
    assert time.process_time() - began < 3
