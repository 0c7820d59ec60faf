"""Equality of expressions; loads sympy into this process."""

import pytest

from hybrid_rl.verification import expressions
from hybrid_rl.verification.symbolic import Symbolic
from tests.fakes.reward import settings


def test_infinity_is_no_number_whatever_sympy_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # In some processes sympy simplifies 7 - oo**oo to 0, and then holds them equal.
    monkeypatch.setattr(
        expressions,
        "verify",
        lambda *both, **options: not any(isinstance(one, str) for one in both),
    )
    verifier = Symbolic(settings("symbolic"))
    assert verifier.judge("7", r"\boxed{\infty^{\infty}}") == "wrong"
    assert verifier.judge(r"\infty", r"\boxed{\infty}") == "correct"


def test_an_expression_that_many_solutions_state_is_compared_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = []
    monkeypatch.setattr(
        expressions, "verify", lambda *both, **options: compared.append(both) or True
    )
    verifier = Symbolic(settings("symbolic"))
    for text in ("So \\boxed{101}.", "Hence \\boxed{101}"):
        assert verifier.judge("101", text) == "correct"
    assert len(compared) == 1
