"""Exact arithmetic that is refused where its result would have too many digits to compute. It loads sympy."""

from typing import Any

import sympy  # type: ignore[import-untyped] # it has none

MAX_BITS = 50_000
"""The most bits of a power of numbers; greater ones are not computed."""
MAX_FACTORIAL = 3_000


class Unreadable(ValueError):
    """The text is no formula, or one that would cost too much."""


def rational(written: str) -> Any:
    """The exact value of a written decimal number."""
    mantissa, _, exponent = written.replace(",", "").lower().partition("e")
    if len(mantissa) > 400 or abs(int(exponent or 0)) > 4_000:
        raise Unreadable("a number that is too long")
    return sympy.Rational(mantissa.rstrip(".") if mantissa != "." else "0") * sympy.Integer(
        10
    ) ** int(exponent or 0)


def repeating(before: str, digits: str) -> Any:
    """What digits that repeat for ever add to the decimal number before them."""
    if not digits.isdigit() or len(digits) > 50:
        raise Unreadable("digits that repeat")
    places = len(before.partition(".")[2])
    return sympy.Rational(int(digits), (10 ** len(digits) - 1) * 10**places)


def power(base: Any, exponent: Any) -> Any:
    """base ** exponent, unless that is a number of too many digits."""
    if base.is_Rational and exponent.is_Rational:
        bits = max(abs(base.p), base.q).bit_length() * abs(exponent)
        if bits > MAX_BITS and base not in (0, 1, -1):
            raise Unreadable("a number that is too long")
        if base == 0 and exponent < 0:
            raise Unreadable("a division by zero")
    elif (
        base.is_number and exponent.is_number and exponent.is_Rational and abs(exponent) > MAX_BITS
    ):
        raise Unreadable("a power that is too high")
    return base**exponent


def quotient(above: Any, below: Any) -> Any:
    """above / below, unless below is 0."""
    if below == 0:
        raise Unreadable("a division by zero")
    return above / below


def factorial(value: Any) -> Any:
    """The factorial of a value, unless that is a number of too many digits."""
    if value.is_number and not (value.is_Integer and 0 <= value <= MAX_FACTORIAL):
        raise Unreadable("a factorial that is too great")
    return sympy.factorial(value)


def binomial(above: Any, below: Any) -> Any:
    """A binomial coefficient, unless that is a number of too many digits."""
    if above.is_number and below.is_number and min(abs(below), abs(above - below)) > MAX_FACTORIAL:
        raise Unreadable("a binomial coefficient that is too great")
    return sympy.binomial(above, below)
