r"""What commands and functions read after their names: \frac, \sqrt, \log_2, \sin^2, \sum and their like."""

import re
from collections.abc import Callable
from typing import Any

import sympy  # type: ignore[import-untyped] # it has none

from hybrid_rl.verification.arithmetic import MAX_FACTORIAL, Unreadable, binomial, power, quotient
from hybrid_rl.verification.expression_parser import ExpressionParser
from hybrid_rl.verification.structures import Collection, Structure, Value

_SIMPLE = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "asin": sympy.asin, "acos": sympy.acos,
    "atan": sympy.atan, "arccot": sympy.acot, "arcsec": sympy.asec, "arccsc": sympy.acsc, "sinh": sympy.sinh,
    "cosh": sympy.cosh, "tanh": sympy.tanh, "coth": sympy.coth, "ln": sympy.log, "exp": sympy.exp, "abs": sympy.Abs,
    "cbrt": sympy.cbrt, "floor": sympy.floor, "ceil": sympy.ceiling,
    "lg": lambda x: sympy.log(x) / sympy.log(10), "log": sympy.log,
}  # fmt: skip
_SEVERAL = {"max": sympy.Max, "min": sympy.Min, "gcd": sympy.gcd, "lcm": sympy.lcm}
_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_DERIVATIVE = re.compile(r"(?:d|\\partial)(?:\^\{?[0-9]\}?)?(?:[A-Za-z]|\\[a-z]+)")


class CommandParser(ExpressionParser):
    """Expressions with commands and functions."""

    def _brackets(self) -> Structure:
        raise NotImplementedError

    def _fraction(self) -> Any:
        start = self._next
        above = self._argument()
        middle = self._next
        below = self._argument()
        over = "".join(self._written(start, middle).split()).strip("{}")
        under = "".join(self._written(middle, self._next).split()).strip("{}")
        if _DERIVATIVE.match(over) and _DERIVATIVE.match(under):
            return sympy.Symbol(f"\\frac{{{over}}}{{{under}}}")
        return quotient(above, below)

    def _root(self) -> Any:
        degree: Any = sympy.Integer(2)
        if self._skip("["):
            degree = self._sum()
            if not self._skip("]"):
                raise Unreadable("an open bracket")
        # \sqrt51 is meant as the root of 51, whatever TeX sets.
        inside = self._number(mixed=False) if self._is("number") else self._argument()
        return power(inside, 1 / degree)

    def _binomial(self) -> Any:
        return binomial(self._argument(), self._argument())

    def _floor(self, closing: str, function: Callable[[Any], Any]) -> Any:
        inside = self._sum()
        if not self._skip(closing):
            raise Unreadable("an open bracket")
        return function(inside)

    def _function(self, name: str) -> Any:
        exponent: Any = None
        base: Any = None
        for _ in range(2):
            if self._skip("^"):
                exponent = self._exponent()
            elif name == "log" and self._skip("_"):
                base = self._argument()
        if name in _SEVERAL:
            arguments = self._arguments()
            return _SEVERAL[name](*arguments)
        if exponent == -1 and name in _INVERSE:
            name, exponent = _INVERSE[name], None
        self._functions += 1
        argument = self._function_argument()
        self._functions -= 1
        value = _SIMPLE[name](argument)
        if base is not None:
            value = sympy.log(argument, base)
        return value if exponent is None else power(value, exponent)

    def _arguments(self) -> list[Any]:
        found = self._brackets() if self._text_is("(", "\\{") else None
        if not isinstance(found, Collection):
            raise Unreadable("no arguments")
        values = [one.expression for one in found.items if isinstance(one, Value)]
        if len(values) != len(found.items):
            raise Unreadable("arguments that are no values")
        return values

    def _function_argument(self) -> Any:
        """What stands in brackets, or all factors up to the next operator, function or bracket."""
        if self._text_is("(", "["):
            return self._group()
        if self._text_is("{"):
            return self._braced()
        if self._text_is("-"):
            return self._sign() * self._factor()
        argument = self._factor()
        while (
            self._continues_product() and not self._is("function") and not self._text_is("(", "[")
        ):
            argument = argument * self._factor()
        return argument

    def _series(self, function: Callable[..., Any]) -> Any:
        r"""\sum_{k=1}^{4} k, with bounds that are numbers."""
        below = above = None
        for _ in range(2):
            if self._skip("_"):
                below = self._raw()
            elif self._skip("^"):
                above = self._raw()
        variable, equals, first = (below or "").partition("=")
        if not equals or above is None or len(variable.strip()) != 1:
            raise Unreadable("bounds that are not understood")
        bounds = [CommandParser(text)._sum() for text in (first, above)]
        if all(one.is_Integer for one in bounds) and bounds[1] - bounds[0] > MAX_FACTORIAL:
            raise Unreadable("too many terms")
        body = self._product()
        return function(body, (sympy.Symbol(variable.strip()), *bounds)).doit()


CommandParser._commands = {
    "frac": CommandParser._fraction,
    "sqrt": CommandParser._root,
    "binom": CommandParser._binomial,
    "lfloor": lambda reader: reader._floor("\\rfloor", sympy.floor),
    "lceil": lambda reader: reader._floor("\\rceil", sympy.ceiling),
    "sum": lambda reader: reader._series(sympy.Sum),
    "prod": lambda reader: reader._series(sympy.Product),
    "pi": lambda reader: reader._symbol("\\pi") if reader._text_is("_", "'") else sympy.pi,
    "infty": lambda reader: sympy.oo,
}
