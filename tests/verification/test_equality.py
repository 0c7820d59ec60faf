"""Equality of exact expressions; loads sympy into this process."""

import pytest
import sympy

from hybrid_rl.verification.equality import are_equal_expressions
from hybrid_rl.verification.formula import read
from hybrid_rl.verification.structures import Value


def equal(one: str, other: str) -> bool:
    first, second = read(one)[0], read(other)[0]
    assert isinstance(first, Value)
    assert isinstance(second, Value)
    return are_equal_expressions(first, second)


@pytest.mark.parametrize(
    ("one", "other"),
    [("(x+1)^2", "x^2+2x+1"), (r"\sqrt{x^2}", "|x|"), (r"\sin^2 x + \cos^2 x", "1"),
     (r"\sqrt{1/n}", r"\frac{1}{\sqrt{n}}"),
     ("2^{-99}", r"\frac{1}{2^{99}}"), (r"\sqrt{2}", "1.41421"), (r"\frac13", "0.333333"), (r"\sqrt{8}", r"2\sqrt2"),
     (r"\sqrt{5+2\sqrt6}", r"\sqrt2+\sqrt3"), (r"\sqrt{5+2\sqrt6}-\sqrt2-\sqrt3", "0"), ("(2+i)^2", "3+4i")],
)  # fmt: skip
def test_equal_expressions_are_equal(one: str, other: str) -> None:
    assert equal(one, other)
    assert equal(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.6e-19", "1.7e-19"), ("2^{-99}", "2^{-98}"), ("e^{-200}", "0"), ("0.0", "6.7e-11"), (r"\sqrt{2}", "1.4142"),
     (r"\frac13", "0.33333"), (r"\sqrt{2}", "1.41422"), ("|x|", "x"), ("2x", "2y"), (r"\lfloor n \rfloor", "n"),
     ("e^{\\pi\\sqrt{163}}", "262537412640768744"), ("x^2", "X^2"), (r"\infty", "7"), ("1000000007", "1000000008")],
)  # fmt: skip
def test_expressions_that_differ_by_anything_differ(one: str, other: str) -> None:
    assert not equal(one, other)
    assert not equal(other, one)


def test_infinity_is_no_number_whatever_sympy_makes_of_it() -> None:
    # In some processes sympy simplifies 7 - oo**oo to 0.
    assert not are_equal_expressions(Value(sympy.Integer(7)), Value(sympy.oo**sympy.oo))
    assert are_equal_expressions(Value(sympy.oo), Value(sympy.oo))
