"""How far a text is read as mathematics, and what it means; loads sympy into this process."""

import pytest
import sympy

from hybrid_rl.verification.arithmetic import Unreadable
from hybrid_rl.verification.formula import read
from hybrid_rl.verification.notation import plain
from hybrid_rl.verification.structures import Based, Collection, Value

x, y = sympy.symbols("x y")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\frac14 x", x / 4),
        (r"\sqrt51", sympy.sqrt(51)),
        (r"2\frac{1}{2}", sympy.Rational(5, 2)),
        (r"2\frac{3}{2}", sympy.Integer(3)),
        (r"2 \cdot \frac12", sympy.Integer(1)),
        ("x^10", x**10),
        ("2xy", 2 * x * y),
        (r"\sin^2 x", sympy.sin(x) ** 2),
        (r"\sin x \cos y", sympy.sin(x) * sympy.cos(y)),
        (r"\log_2 8", sympy.Integer(3)),
        (r"0.\overline{3}", sympy.Rational(1, 3)),
        ("1.5e-3", sympy.Rational(3, 2000)),
        (r"\sqrt[3]{8}", sympy.Integer(2)),
        (r"|{-2}|", sympy.Integer(2)),
        (r"e^{i\pi}", sympy.Integer(-1)),
        (r"{9 \over 7}", sympy.Rational(9, 7)),
        (r"\sum_{k=1}^{4} k", sympy.Integer(10)),
        ("5 x 3", sympy.Integer(15)),
    ],
)
def test_an_expression_means_what_a_reader_takes_it_for(written: str, meant: sympy.Expr) -> None:
    found, rest = read(plain(written))
    assert isinstance(found, Value)
    assert (found.expression, rest) == (meant, "")


def test_what_is_no_single_expression_keeps_its_shape() -> None:
    assert read("52_8")[0] == Based("52", "8")
    assert read("(1, 2]")[0] == Collection("(]", (Value(sympy.Integer(1)), Value(sympy.Integer(2))))
    assert read(r"\pm 2")[0] == Collection(
        "list", (Value(sympy.Integer(2)), Value(sympy.Integer(-2)))
    )


def test_what_is_not_read_is_left_over() -> None:
    assert read("5 apples and 6")[1] == " apples and 6"
    assert read("5, in total")[1] == ", in total"


@pytest.mark.parametrize(
    "written", ["", "(1", "1/0", "9^{9^{9}}", "(9!)!", r"\frac{1}{", "apples", ")", r"\nothing x"]
)
def test_a_text_may_be_unreadable(written: str) -> None:
    with pytest.raises(Unreadable):
        read(written)
