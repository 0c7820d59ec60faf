"""Expressions that would hang or kill a verifier: each ends in some outcome, and the next one is graded as ever."""

from collections.abc import Iterator

import pytest

from hybrid_rl.verification.grader import Grader, Solution
from tests.fakes.reward import settings

HOSTILE = [
    r"10^{10^{10}}",
    r"9^{9^{9^{9}}}",
    "10**10**10",
    "9^9^9^9",
    "100000000!",
    "(((9!)!)!)!",
    "1e999",
    "1e999999999",
    "9" * 5_000,
    "9" * 1_000_000,
    "(" * 900 + "1" + ")" * 900,
    "(" * 9_000,
    "[" * 1_900,
    "{" * 9_000,
    r"\left(" * 300,
    r"\frac{1}{" * 200 + "2" + "}" * 200,
    r"\sqrt{" * 300 + "2" + "}" * 300,
    "-" * 1_900 + "1",
    "1" + "+1" * 900,
    r"\sum_{n=1}^{10^{12}} n^{n}",
    r"\prod_{k=1}^{1000000} k",
    r"\int_0^{10} x^{x^{x^x}} dx",
    r"\lim_{x\to 0} \frac{\sin(x^{x^{x}})}{x}",
    r"\binom{10^{9}}{5\cdot 10^{8}}",
    r"(1+x)^{100000}",
    r"\tan(10^{1000})",
    r"2^{2^{40}} \mod 3",
    r"\{" + ",".join(map(str, range(450))) + r"\}",
    r"\begin{pmatrix}" * 100,
    r"\overline{0.}" * 100,
    r"\boxed{" * 5_000,
    "1/0",
    r"\infty^{\infty}",
    "\u0663/\u0664",
    "\U0001d7d3",
    "\u00bd",
    "\x00\x01\uffff",
    "a" * 1_000_000,
    "__import__('os')._exit(1)",
]


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(settings("symbolic", timeout_seconds=1.0, memory_mb=1024, unmarked=True)) as found:
        found.grade([Solution("1", r"\boxed{1}")])
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [r"\boxed{%s}", "The answer is $%s$.", "%s"])
def test_hostile_expressions_end_and_leave_the_pool_at_work(grader: Grader, wrapped: str) -> None:
    texts = [wrapped.replace("%s", expression) for expression in HOSTILE]
    outcomes = {
        verdict.outcome for verdict in grader.grade([Solution("7", text) for text in texts])
    }
    assert outcomes <= {"wrong", "unparseable", "timeout"}
    assert grader.grade([Solution("1/2", r"\boxed{\frac24}")])[0].correct


@pytest.mark.parametrize("option", ["exact", "numeric", "roles"])
def test_cheap_verifiers_take_hostile_expressions_in_this_process(option: str) -> None:
    gold = "(1) Ada is a knight" if option == "roles" else "7"
    texts = [
        f"{mark}{expression}" for mark in ("#### ", "The answer is ", "") for expression in HOSTILE
    ]
    with Grader(settings(option, unmarked=True)) as cheap:
        found = cheap.grade([Solution(gold, text) for text in texts])
    assert {verdict.outcome for verdict in found} <= {"wrong", "unparseable"}
    assert cheap.first_error is None
