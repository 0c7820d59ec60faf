r"""The grammar of expressions: sums, products, powers and what they are made of, as exact expressions of sympy.

A recursive descent that reads or raises Unreadable. It knows no list, equation or unit; what a command such as \frac
does, `commands` says.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import sympy  # type: ignore[import-untyped] # it has none

from hybrid_rl.verification.arithmetic import (
    Unreadable,
    binomial,
    factorial,
    power,
    quotient,
    rational,
    repeating,
)
from hybrid_rl.verification.cursor import Cursor
from hybrid_rl.verification.notation import canonical
from hybrid_rl.verification.tokens import Token

SYMBOLS = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau phi chi psi"
    " omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega Upsilon upsilon hbar ell nabla angle triangle square"
    " partial prime Re Im aleph".split()
)
ACCENTS = frozenset(
    "dot ddot hat bar vec tilde overline widehat widetilde mathbb mathcal overrightarrow".split()
)


class ExpressionParser(Cursor):
    """The expression that begins at the cursor."""

    _commands: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """What each command reads after its name; of a subclass."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._upper = True  # whether ± is read as +
        self._both = False  # whether a ± was met
        self._bars = 0  # how many | are open
        self._functions = 0  # in the arguments of how many functions the cursor is

    def _function(self, name: str) -> Any:
        raise NotImplementedError

    def _command(self, name: str) -> Any:
        if name in SYMBOLS:
            return self._symbol(f"\\{name}")
        if name in ACCENTS:
            return self._symbol(f"\\{name}{{{self._raw()}}}")
        if name in self._commands:
            return self._commands[name](self)
        raise Unreadable(name)

    def _sum(self) -> Any:
        total = self._product()
        while self._text_is("+", "-", "\\pm", "\\mp"):
            term_sign = self._sign()
            total = total + term_sign * self._product()
        return total

    def _sign(self) -> int:
        """The product of the signs that come next."""
        sign = 1
        while self._text_is("+", "-", "\\pm", "\\mp"):
            text = self._take().text
            if text in ("\\pm", "\\mp"):
                self._both = True
                sign *= 1 if self._upper == (text == "\\pm") else -1
            elif text == "-":
                sign = -sign
        return sign

    def _product(self) -> Any:
        result = self._sign() * self._factor()
        while True:
            if self._text_is("*", "\\cdot") or self._is_times():
                self._next += 1
                result = result * self._sign() * self._factor()
            elif self._text_is("/", "\\div"):
                self._next += 1
                result = quotient(result, self._sign() * self._factor())
            elif self._continues_product():
                mark = self._next
                try:
                    result = result * self._factor()
                except Unreadable:
                    # What comes next is no factor; whether it may stand there, the caller decides.
                    self._next = mark
                    return result
            else:
                return result

    def _is_times(self) -> bool:
        """Whether an x between two numbers comes next."""
        before, after = self._peek(-1), self._peek(1)
        return (
            self._text_is("x")
            and before is not None
            and after is not None
            and before.kind == after.kind == "number"
        )

    def _continues_product(self) -> bool:
        token = self._peek()
        if token is None or token.kind in ("word", "unit", "relation", "separator"):
            return False
        if token.kind == "number":
            return self._text_is(")", ahead=-1)
        if token.kind in ("letter", "function"):
            return True
        if token.kind == "command":
            if token.text == "\\text" or token.text in ("\\vert", "\\|"):
                return not self._bars
            return self._starts_atom(token)
        if token.text == "(" and self._text_is("\\mod", ahead=1):
            return False
        return token.text in ("(", "[", "{") or (token.text == "|" and not self._bars)

    def _starts_atom(self, token: Token) -> bool:
        name = token.text[1:]
        return name in SYMBOLS or name in ACCENTS or name in self._commands

    def _continues(self) -> bool:
        """Whether brackets that were just read are a part of an expression."""
        return self._text_is("+", "-", "*", "/", "^", "\\cdot", "!", "\\div", "'") or (
            self._continues_product()
        )

    def _factor(self) -> Any:
        """An atom with its powers, factorials and percent signs."""
        value = self._atom()
        while True:
            if self._skip("^"):
                value = power(value, self._exponent())
            elif self._skip("!"):
                value = factorial(value)
            elif self._text_is("\\deg") and self._depth() > 0:
                self._next += 1
                value = value * sympy.pi / 180
            else:
                return value

    def _depth(self) -> int:
        token = self._peek()
        return token.depth + self._bars + self._functions if token else 0

    def _exponent(self) -> Any:
        sign = self._sign()
        found = self._atom(exponent=True)
        if self._skip("^"):
            found = power(found, self._exponent())
        return sign * found

    def _atom(self, exponent: bool = False) -> Any:
        while self._skip("$"):
            pass
        token = self._peek()
        if token is None:
            raise Unreadable("the end")
        if token.kind == "number":
            return self._number(mixed=not exponent)
        if token.text in ("(", "["):
            return self._group()
        if token.text == "{":
            return self._braced()
        if token.text in ("|", "\\vert", "\\|"):
            return self._absolute()
        self._next += 1
        if token.kind == "letter":
            return self._symbol(token.text)
        if token.kind == "function":
            return self._function(token.text[1:])
        if token.kind == "command":
            return self._command(token.text[1:])
        raise Unreadable(token.text)

    def _number(self, mixed: bool) -> Any:
        token = self._take()
        value = rational(token.text)
        if self._text_is("\\overline", "\\bar") and "." in token.text:
            self._next += 1
            return value + repeating(token.text, self._raw())
        whole = token.text.replace(",", "").isdigit()
        if mixed and whole and self._text_is("\\frac"):
            mark = self._next
            self._next += 1
            part = self._command("frac")
            proper = (
                part.is_Rational
                and 0 < part < 1
                and re.fullmatch(
                    r"\\frac\{?[0-9]+\}?\{?[0-9]+\}?",
                    canonical(self._written(mark, self._next)).replace(" ", ""),
                )
            )
            if proper and not self._text_is("^"):
                return value + part
            self._next = mark
        elif mixed and whole and self._is("number") and self._text_is("/", ahead=1):
            over, under = self._take().text, self._peek(1)
            self._next += 1
            if (
                under is None
                or under.kind != "number"
                or not (over.isdigit() and under.text.isdigit())
            ):
                raise Unreadable("two numbers")
            self._next += 1
            if not 0 < int(over) < int(under.text):
                raise Unreadable("two numbers")
            return value + sympy.Rational(int(over), int(under.text))
        return value

    def _symbol(self, name: str) -> Any:
        primes = ""
        while self._skip("'"):
            primes += "'"
        below = ""
        if self._skip("_"):
            below = canonical(self._raw())
        while self._skip("'"):
            primes += "'"
        if not below and not primes:
            if name == "e":
                return sympy.E
            if name == "i":
                return sympy.I
        return sympy.Symbol(f"{name}{primes}_{below}" if below else name + primes)

    def _group(self) -> Any:
        opening, bars = self._take().text, self._bars
        self._bars = 0
        inside = self._sum()
        self._bars = bars
        closing = self._take().text if self._peek() else ""
        if closing != {"(": ")", "[": "]"}[opening]:
            raise Unreadable("brackets that hold no expression")
        return inside

    def _braced(self) -> Any:
        self._take()
        bars, self._bars = self._bars, 0
        inside = self._sum()
        if self._skip("\\over"):
            inside = quotient(inside, self._sum())
        elif self._skip("\\choose"):
            inside = binomial(inside, self._sum())
        self._bars = bars
        if not self._skip("}"):
            raise Unreadable("an open brace")
        return inside

    def _absolute(self) -> Any:
        closing = self._take().text
        self._bars += 1
        inside = self._sum()
        self._bars -= 1
        if not self._skip(closing):
            raise Unreadable("an open bar")
        return sympy.Abs(inside)

    def _argument(self) -> Any:
        r"""An argument of a command: braces, one digit of a run (\frac14), or one atom."""
        token = self._peek()
        if token is None:
            raise Unreadable("the end")
        if token.text == "{":
            return self._braced()
        if token.kind == "number" and len(token.text) > 1 and token.text.isdigit():
            # TeX takes one digit; the rest of the run is the next argument.
            rest = Token("number", token.text[1:], token.start + 1, token.end, token.depth, False)
            self._tokens[self._next : self._next + 1] = [
                Token("number", token.text[0], token.start, token.start + 1, token.depth, token.spaced), rest
            ]  # fmt: skip
        if token.kind == "number":
            return rational(self._take().text)
        return self._atom()
