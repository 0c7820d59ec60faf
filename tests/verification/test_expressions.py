"""How statements are read and compared as wholes; loads sympy into this process."""

import pytest

from hybrid_rl.verification import expressions, sameness
from hybrid_rl.verification.symbolic import Symbolic
from tests.fakes.reward import settings


def test_an_expression_that_many_solutions_state_is_compared_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = []
    monkeypatch.setattr(
        sameness, "are_equal_expressions", lambda *both: compared.append(both) or True
    )
    verifier = Symbolic(settings("symbolic"))
    for text in ("So \\boxed{101}.", "Hence \\boxed{101}"):
        assert verifier.judge("101 + 0", text) == "correct"
    assert len(compared) == 1


@pytest.mark.parametrize(
    ("gold", "problem"),
    [
        ("5", None),
        ("Evelyn", None),
        ("np.arcsin(10/13)", None),
        ("There are 5 apples in the basket", "is prose; give the expression alone"),
        (r"\frac{1}{", "is not an expression"),
    ],
)
def test_a_gold_answer_that_is_prose_or_broken_is_refused(gold: str, problem: str | None) -> None:
    assert expressions.problem_of_gold(gold) == problem


@pytest.mark.parametrize(
    ("gold", "stated", "outcome"),
    [
        ("5", "5 = x", "correct"),
        ("5", r"\lim_{x \to 0} f(x) = 5", "correct"),
        (r"\frac{1}{3}", "0.333...", "correct"),
        (r"\frac{1}{2}", r"\text{one half}", "correct"),
        ("(2,5)", r"x > 2 \text{ and } x < 5", "correct"),
        (r"(-\infty,2)\cup(5,\infty)", r"x < 2 \text{ and } x > 5", "wrong"),
        (r"(-\infty,2)\cup(5,\infty)", r"x < 2 \text{ or } x > 5", "correct"),
        ("20", r"\text{June 20}", "unparseable"),
        ("18", r"18 \text{ in hexadecimal}", "unparseable"),
        ("18", r"18, \text{ which is wrong}", "unparseable"),
        ("18", "18-year-old", "correct"),
        (r"\text{red}", r"\text{red, blue}", "unparseable"),
        (r"\text{odd}", r"\text{odd?}", "unparseable"),
        (r"\text{Alice}", r"\text{Alice (not Bob)}", "correct"),
        ("B", r"\text{option B, because the slope is positive}", "correct"),
        (r"10\text{ m/s}", r"10\text{ km/h}", "wrong"),
        (r"10\text{ m/s}", r"10\ \mathrm{m/s}", "correct"),
        (r"10^\circ C", r"10^\circ F", "wrong"),
        (r"\$10", r"10\text{ cents}", "wrong"),
        (r"\$10", r"10\text{ dollars}", "correct"),
    ],
)
def test_a_statement_is_compared_as_a_whole(gold: str, stated: str, outcome: str) -> None:
    verifier = Symbolic(settings("symbolic"))
    assert verifier.judge(gold, f"So $\\boxed{{{stated}}}$.") == outcome
