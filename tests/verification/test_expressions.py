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
