"""What a statement may be: a value, an interval, a list, an equation, a matrix, a word. Records without behaviour."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Value:
    """An expression; all its numbers are exact."""

    expression: Any
    """The expression is one of sympy, which has no types."""
    digits: int | None = None
    """Where the statement is one decimal number: how many significant digits are written."""
    places: int = 0
    """The power of ten of the last digit of such a number."""
    unit: str = ""
    """A known unit in the singular, with its power."""


@dataclass(frozen=True)
class Based:
    """A number in another base than ten."""

    digits: str
    base: str


@dataclass(frozen=True)
class Collection:
    """Several statements: in brackets as written, such as "(]", in braces, or bare with the name "list".

    Inequalities that hold together, "x > 2 and x < 5", have the name "and".
    """

    brackets: str
    items: "tuple[Structure, ...]"


@dataclass(frozen=True)
class Relation:
    """Sides joined by relations: "=", "<", ">", "le", "ge", "in" or "neq"."""

    sides: "tuple[Structure, ...]"
    signs: tuple[str, ...]
    name: str = ""
    """The first side as written, without blanks."""


@dataclass(frozen=True)
class Matrix:
    """Rows of expressions; a column vector has rows of one."""

    rows: "tuple[tuple[Structure, ...], ...]"


@dataclass(frozen=True)
class Ratio:
    """Parts such as 1:2:3, or a value and its modulus where `sign` is "mod"."""

    parts: "tuple[Structure, ...]"
    sign: str = ":"


@dataclass(frozen=True)
class Dots:
    """An ellipsis in a list."""


@dataclass(frozen=True)
class Choice:
    """The letter of an option."""

    letter: str


@dataclass(frozen=True)
class Words:
    """A word, or whatever is compared as it is written."""

    text: str


Structure = Value | Based | Collection | Relation | Matrix | Ratio | Dots | Choice | Words
