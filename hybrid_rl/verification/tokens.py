r"""Cuts a plain statement (`notation.plain`) into the tokens that `formula` reads: numbers, letters, commands, words.

A run of letters is a product (`2ab`, `\frac{ab}{2}`), a function (`sin`), a unit (`5cm`) or a word that ends the
formula (`5 apples`); which of them it is, its neighbours tell. It knows no sympy.
"""

import re
from dataclasses import dataclass

from hybrid_rl.verification.after_number import UNIT

FUNCTIONS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh cosh tanh coth ln log lg exp"
    " sqrt cbrt abs max min gcd lcm floor ceil".split()
)
_SPELLED_OUT = frozenset("pi alpha beta gamma theta lambda omega infinity infty inf oo".split())
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:(?<![0-9],)[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]|,[0-9])|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)
        (?P<exponent>[eE][-+]?[0-9]{1,4}(?![0-9A-Za-z]))?
    |(?P<command>\\(?:[A-Za-z]+|\\|[{}|]))
    |(?P<letters>[A-Za-z]+)
    |(?P<power>\*\*)
    |(?P<relation><=|>=|=<|=>|[=<>])
    |(?P<sign>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_RELATIONS = {"<=": "le", "=<": "le", ">=": "ge", "=": "=", "<": "<", ">": ">"}
_RELATION_COMMANDS = {
    "\\le": "le",
    "\\ge": "ge",
    "\\in": "in",
    "\\approx": "=",
    "\\equiv": "=",
    "\\neq": "neq",
}
_OPENING = {"(", "[", "{", "\\{", "\\lfloor", "\\lceil"}
_CLOSING = {")", "]", "}", "\\}", "\\rfloor", "\\rceil"}


@dataclass(frozen=True)
class Token:
    """A piece of a statement, with its place in it."""

    kind: str
    """number, letter, word, function, unit, command, relation, separator or sign."""
    text: str
    start: int
    end: int
    depth: int
    """How many brackets and braces are open around it."""
    spaced: bool
    """Whether a blank stands before it."""


def tokens(text: str) -> list[Token]:
    """All tokens of the text, in order."""
    found: list[Token] = []
    depth = brackets = position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:  # blanks at the end
            break
        kind = match.lastgroup or "sign"
        start = match.start("number" if kind == "exponent" else kind)
        end, piece = match.end(), text[start : match.end()]
        if kind in ("number", "exponent"):
            kind = "number"
            if brackets and "," in piece:  # in brackets, a comma parts
                piece = piece.partition(",")[0]
                end = start + len(piece)
        elif kind == "relation":
            piece = _RELATIONS.get(piece, piece)
        elif kind == "power":
            kind, piece = "sign", "^"
        if piece in _CLOSING:
            depth, brackets = max(0, depth - 1), max(0, brackets - (piece != "}"))
        if kind == "letters":
            found += _letters(text, start, end, depth, found[-1] if found else None)
        else:
            meant = _RELATION_COMMANDS.get(piece, piece)
            kind = _kind(kind, piece)
            found.append(Token(kind, meant, start, end, depth, start > position))
        if piece in _OPENING:
            depth, brackets = depth + 1, brackets + (piece != "{")
        position = end
    return found


def _kind(kind: str, piece: str) -> str:
    if piece in _RELATION_COMMANDS:
        return "relation"
    if piece in (",", ";", "\\cup", "\\and", "\\or"):
        return "separator"
    if kind == "command" and piece[1:] in FUNCTIONS and piece[1:] != "sqrt":
        return "function"
    return kind


def _letters(text: str, start: int, end: int, depth: int, before: Token | None) -> list[Token]:
    """The tokens that a run of letters is."""
    run, spaced = text[start:end], start > 0 and text[start - 1] == " "
    beside = text[end : end + 1]

    def one(kind: str, piece: str = run) -> list[Token]:
        return [Token(kind, piece, start, end, depth, spaced)]

    if len(run) == 1:
        return one("letter")
    low = run.lower()
    if low in ("and", "or") and depth == 0:
        return one("separator")
    if run in FUNCTIONS:
        return one("command", "\\sqrt") if run == "sqrt" else one("function", f"\\{run}")
    if run in _SPELLED_OUT:
        return one("command", "\\infty" if run.startswith(("inf", "oo")) else f"\\{run}")
    ends_value = before is not None and (
        before.kind in ("number", "unit") or before.text in (")", "}")
    )
    if depth == 0 and ends_value and UNIT.fullmatch(run):
        return one("unit")
    if depth == 0:
        before_it = start > 0 and text[start - 1] in "0123456789)}^_+-*/=<>|"
        touches = before_it or (beside and beside in "^_+*/=<>(!|")
        if not touches or len(run) > 3:
            return one("word")
    return [
        Token("letter", char, start + at, start + at + 1, depth, spaced and at == 0)
        for at, char in enumerate(run)
    ]
