"""Whether two exact expressions of sympy are equal.

Numbers are compared at 50 digits, relative to their size, never with an absolute tolerance. Expressions with symbols
are compared at fixed points: positive, negative and whole ones. It is not `sympy.simplify`, which takes seconds for
some pairs and proves little for others; at rational points two expressions that differ agree by no accident.
"""

from itertools import count
from typing import Any

import sympy  # type: ignore[import-untyped] # it has none

from hybrid_rl.verification.structures import Value

MIN_DIGITS = 6
"""A decimal number of fewer significant digits equals only what it is exactly."""

_DIGITS = 50
_CLOSE = sympy.Float("1e-30", _DIGITS)
_NEEDED = 3
"""The number of points at which both expressions must have a value."""
_POINTS = (
    (7, 3), (11, 5), (13, 17), (-7, 4), (-19, 6), (3, 1), (6, 1), (23, 19), (-5, 1), (4, 1),
)  # fmt: skip


def are_equal_expressions(gold: Value, stated: Value) -> bool:
    """Whether two values are equal, one of which may be the other, rounded."""
    one, other = gold.expression, stated.expression
    if one == other:
        return True
    if _has_infinity(one) or _has_infinity(other):
        return False
    symbols = sorted(one.free_symbols | other.free_symbols, key=str)
    if symbols:
        return _equal_at_points(one, other, symbols)
    if one.is_Rational and other.is_Rational:
        equal = False
    else:
        equal = _equal_numbers(_evaluated(one, {}), _evaluated(other, {}), one, other)
    return equal or _is_rounded(gold, other) or _is_rounded(stated, one)


def _is_rounded(decimal: Value, exact: Any) -> bool:
    """Whether a decimal number of enough digits is what `exact` is when it is rounded to them."""
    if decimal.digits is None or decimal.digits < MIN_DIGITS:
        return False
    value = _evaluated(exact, {})
    if value is None or not value.is_real:
        return False
    half = sympy.Rational(1, 2) * sympy.Integer(10) ** decimal.places
    return bool(abs(decimal.expression - value) <= half)


def _equal_at_points(one: Any, other: Any, symbols: list[Any]) -> bool:
    agreed = 0
    imaginary = one.has(sympy.I) or other.has(sympy.I)
    for number, (above, below) in zip(count(), _POINTS, strict=False):
        # Each symbol has a value of its own, none of them related to another's.
        point = {
            symbol: sympy.Rational(
                above + 2 * sympy.prime(at + 1) * at * (1 if above > 0 else -1), below
            )
            for at, symbol in enumerate(symbols)
        }
        first, second = _evaluated(one, point), _evaluated(other, point)
        if first is None or second is None:
            continue
        if not first.is_real and not second.is_real and not imaginary:
            continue  # a root or logarithm of a negative number
        if not _equal_numbers(first, second, one, other):
            return False
        agreed += 1
        if number >= 6 and agreed >= _NEEDED:
            break
    return agreed >= _NEEDED


def _evaluated(expression: Any, point: dict[Any, Any]) -> Any:
    """The number that an expression is at a point; None where that is none, or is infinite."""
    if expression.is_Rational:
        return expression
    value = expression.subs(point) if point else expression
    value = value if value.is_Rational else value.evalf(_DIGITS)
    if not value.is_number or value.free_symbols or _has_infinity(value):
        return None
    real, imaginary = value.as_real_imag()
    if not (real.is_Float or real.is_Rational) or not (imaginary.is_Float or imaginary.is_Rational):
        return None
    if imaginary != 0 and abs(imaginary) < _CLOSE * abs(real):
        return real
    return value


def _equal_numbers(first: Any, second: Any, one: Any, other: Any) -> bool:
    """Whether two numbers agree, relative to the greater one; `one` and `other` are what they are values of."""
    if first is None or second is None:
        return False
    size = max(abs(first), abs(second))
    if size == 0:
        return True
    if min(abs(first), abs(second)) == 0:
        # Beside 0, no digits tell a small number from a sum that vanishes.
        return bool(size < _CLOSE and sympy.simplify(one - other) == 0)
    return bool(abs(first - second) <= _CLOSE * size)


def _has_infinity(expression: Any) -> bool:
    return bool(expression.has(sympy.oo, -sympy.oo, sympy.zoo, sympy.nan))
