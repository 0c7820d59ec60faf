r"""Reads a plain statement (`notation.plain`) as mathematics, from its beginning as far as it goes.

What it returns covers every sign up to the place that it names, so that no statement is scored by a part of it. It is
not math-verify's parser: that one searches a text for formulas, drops bases, case and what it does not understand, and
takes milliseconds for a number. All numbers become exact. Only processes that can be killed import this file, for it
loads sympy.
"""

import sympy  # type: ignore[import-untyped] # it has none

from hybrid_rl.verification.after_number import unit_of
from hybrid_rl.verification.arithmetic import Unreadable, quotient
from hybrid_rl.verification.commands import CommandParser
from hybrid_rl.verification.notation import canonical
from hybrid_rl.verification.structures import (
    Based,
    Collection,
    Dots,
    Matrix,
    Ratio,
    Relation,
    Structure,
    Value,
)

_MATRICES = ("pmatrix", "bmatrix", "matrix", "vmatrix", "array", "smallmatrix", "Bmatrix")
_ENDS = {"(": ")]", "[": ")]", "\\{": ("\\}",)}


def read(text: str) -> tuple[Structure, str]:
    """The statement at the beginning of the text, and what comes after it. Raises Unreadable."""
    reader = _Reader(text)
    found = reader.statement()
    return found, text[reader.at() :]


def _is_inequality(found: Structure) -> bool:
    return isinstance(found, Relation) and set(found.signs) <= {"<", ">", "le", "ge"}


class _Reader(CommandParser):
    """Lists of relations between sides."""

    def statement(self, within: bool = False) -> Structure:
        """A list, or the only thing in it. `within`: in brackets, where the list must end with them."""
        items = self._items()
        conjunction = False
        while self._is("separator"):
            mark = self._next
            while self._is("separator"):
                conjunction = conjunction or self._text_is("and", "\\and")
                self._next += 1
            try:
                items += self._items()
            except Unreadable:
                if within:
                    raise
                self._next = mark
                break
        if conjunction and all(_is_inequality(one) for one in items):
            return items[0] if len(items) == 1 else Collection("and", tuple(items))
        return items[0] if len(items) == 1 else Collection("list", tuple(items))

    def _items(self) -> list[Structure]:
        """One relation; two where it has a ±."""
        mark, outer, self._both = self._next, self._both, False
        try:
            if not self._upper:
                return [self._relation()]
            first = self._relation()
            if not self._both:
                return [first]
            self._next, self._upper = mark, False
            return [first, self._relation()]
        finally:
            self._upper, self._both = True, outer

    def _relation(self) -> Structure:
        start = self._next
        sides, signs = [self._side()], []
        name = self._written(start, self._next)
        while self._is("relation"):
            signs.append(self._take().text)
            sides.append(self._side())
        return Relation(tuple(sides), tuple(signs), canonical(name)) if signs else sides[0]

    def _side(self) -> Structure:
        """What may stand on a side of a relation: brackets with several things in them, a matrix, or an expression."""
        token = self._peek()
        if token is None:
            raise Unreadable("nothing there")
        if token.text in _ENDS:
            mark = self._next
            found = self._brackets()
            if isinstance(found, Collection) and not self._continues():
                return found
            self._next = mark
        if token.text == "\\begin":
            return self._matrix()
        if token.text == "\\emptyset":
            self._next += 1
            return Collection("{}", ())
        if token.text == "\\dots":
            self._next += 1
            return Dots()
        if self._written(self._next, self._next + 4).replace(" ", "") == "\\mathbb{R}":
            self._next += 4
            return Collection("()", (Value(-sympy.oo), Value(sympy.oo)))
        if token.kind == "number" and self._text_is("_", ahead=1):
            self._next += 2
            return Based(token.text.replace(",", ""), self._raw())
        return self._quantity()

    def _quantity(self) -> Structure:
        """An expression, with a unit, as a part of a ratio, or with a modulus."""
        start = self._next
        first = self._sum()
        if self._skip("\\over"):
            first = quotient(first, self._sum())
        value = Value(first, *self._significant(start))
        if self._text_is("\\pmod", "\\mod") or (
            self._text_is("(") and self._text_is("\\mod", ahead=1)
        ):
            opened = self._skip("(")
            self._next += 1
            modulus = Value(self._sum())
            if opened and not self._skip(")"):
                raise Unreadable("an open bracket")
            return Ratio((value, modulus), "mod")
        parts: list[Structure] = [value]
        while self._text_is(":"):
            self._next += 1
            parts.append(Value(self._sum()))
        if len(parts) > 1:
            return Ratio(tuple(parts))
        while self._skip("$"):
            pass
        if self._is("unit") or self._text_is("\\unit", "%", "\\deg"):
            value = Value(value.expression, value.digits, value.places, self._unit())
        return value

    def _unit(self) -> str:
        """The unit that comes next, taken with its power and what it is divided by."""
        token = self._peek()
        name = unit_of(self._text[token.start :]) if token else ""
        if self._skip("%"):
            return "%"
        if self._skip("\\deg"):
            if self._text_is("C", "F", "K"):
                self._next += 1
            if self._skip("\\unit"):
                self._raw()
            return name
        while self._is("unit") or self._text_is("\\unit"):
            if self._skip("\\unit"):
                self._raw()
            else:
                self._next += 1
            if self._skip("^"):
                self._skip("-")
                self._raw()
            while self._text_is("/", "\\cdot") and self._is_unit(1):
                self._next += 2
                if self._text_is("{"):
                    self._raw()
                if self._skip("^"):
                    self._skip("-")
                    self._raw()
        return name

    def _is_unit(self, ahead: int) -> bool:
        token = self._peek(ahead)
        return token is not None and (
            token.kind in ("unit", "word", "letter") or token.text == "\\unit"
        )

    def _significant(self, start: int) -> tuple[int | None, int]:
        """The significant digits of a side that is one decimal number, and the place of its last digit."""
        taken = [token for token in self._tokens[start : self._next] if token.text not in "+-$"]
        if len(taken) != 1 or taken[0].kind != "number":
            return None, 0
        mantissa, _, exponent = taken[0].text.replace(",", "").lower().partition("e")
        if "." not in mantissa:
            return None, 0
        digits = len(mantissa.replace(".", "").lstrip("0"))
        return digits, int(exponent or 0) - len(mantissa.partition(".")[2])

    def _brackets(self) -> Structure:
        """What stands in brackets: a collection, or the one expression inside, where the brackets group."""
        opening = self._take().text
        if opening == "\\{" and self._skip("\\}"):
            return Collection("{}", ())
        inside = self.statement(within=True)
        closing = self._take().text if self._peek() else ""
        if closing not in _ENDS[opening] or not closing:
            raise Unreadable("brackets that do not close")
        brackets = (opening + closing).replace("\\", "")
        if isinstance(inside, Collection) and inside.brackets == "list":
            return Collection(brackets, inside.items)
        if brackets == "{}":
            return Collection(brackets, (inside,))
        return inside

    def _matrix(self) -> Structure:
        self._next += 1
        name = self._raw()
        if name not in _MATRICES:
            raise Unreadable(f"an environment {name}")
        if name == "array":
            self._raw()
        rows: list[list[Structure]] = [[]]
        while not self._text_is("\\end"):
            if self._skip("\\\\"):
                rows.append([])
            elif not self._skip("&"):
                rows[-1].append(Value(self._sum()))
        self._next += 1
        if self._raw() != name:
            raise Unreadable("an environment that does not end")
        return Matrix(tuple(tuple(row) for row in rows if row))
