r"""How a statement can be read, and whether two statements are equal.

Every reading covers the whole statement: as mathematics (`formula`), as the letter of an option, or as words. Numbers
are exact; a decimal number of six digits or more also equals what it is the rounding of. Only processes that can be
killed import this file: sympy may take any time and memory.
"""

import re
from functools import lru_cache

import sympy  # type: ignore[import-untyped] # it has none

from hybrid_rl.verification import formula, number_text
from hybrid_rl.verification.after_number import may_follow, unit_of
from hybrid_rl.verification.arithmetic import Unreadable
from hybrid_rl.verification.notation import canonical
from hybrid_rl.verification.number_words import NUMBER_WORDS, in_words
from hybrid_rl.verification.sameness import same
from hybrid_rl.verification.structures import (
    Based,
    Choice,
    Collection,
    Structure,
    Value,
    Words,
)

MAX_GOLD_WORDS = 4
"""A gold answer of more words is prose, by which nothing can be graded."""

# 52_8, 52_{eight}, 52_{(8)}, "52 in base 8", "52 (base 8)"
_BASED = re.compile(
    r"([0-9A-Z]+)\s*(?:_\s*(?:\{\s*\(?\s*(?:base\s+)?([0-9]{1,2}|[a-z]{3,8})\s*\)?\s*\}|([0-9]{1,2}))"
    r"|\s\(?(?:in\s+)?base[ -]([0-9]{1,2}|[a-z]{3,8})\)?)"
)
_CHOICE = re.compile(
    r"(?:(?:option|choice)\s+)?(?:[\[(]\s*([A-H])\s*[\])]\s*[.:]?|([A-H])\s*(?:[).]|:(?!=)))\s*(.*)",
    re.I | re.S,
)
_LETTER = re.compile(r"(?:(?:option|choice|letter)\s+)?[\[(]?\s*([A-Ha-h])\s*[\])]?", re.I)
_IN_BASE = re.compile(r"[0-9]\s+\(?in\s+(?:binary|ternary|octal|hex\w*)\b", re.I)
# "17 (seventeen)": an aside of words, which would be read as a product of letters.
_ASIDE = re.compile(r"(.*\S)(\s\((?=[^)]*[a-z]{4})[a-z][a-z -]*\))", re.S)
# "the interval [0, 1]", "all x > 5"
_NOUN = re.compile(
    r"(?:(?:the|an?|all|every)\s+)?(?:(?:open|closed|ordered|real|whole|single)\s+)*(?:all|interval|numbers?|integers?"
    r"|values?|set|points?|pair|triple|vector|matrix|function|polynomial|expression|fraction|equation|line)"
    r"\s*:?\s+(?=\S)",
    re.I,
)
# What is computed, on the left side of an equation, and is read by none of the parsers: a limit, a determinant.
_NAMED = re.compile(
    r"\\(?:lim|det|i{0,3}nt|oint|sum|prod|overline|vec|Pr|mathbb|dim|deg|triangle|arg|Re|Im|rank|ker|sup|inf)(?![a-z])"
    r"[^=]{1,200}=[^=]+$"
)
_COMPARED = re.compile(r"[<>]|\\(?:le|ge|neq|in|approx|equiv)\b")
_GOES_ON = re.compile(r"[-+*/^_=<>,;'!|]|\\(?!frac|sqrt|pi|text|\$|\{)|(?:and|or)\b")
_WORDS = re.compile(r"(?:(?:an?|the)\s+)?([A-Za-z\u00c0-\u024f][A-Za-z\u00c0-\u024f' -]*)")
_ANOTHER_WORD = re.compile(
    r"\s*[,;/&]\s*(?:and\s+|or\s+)?[A-Za-z]+(?:\s*[,;/]\s*[A-Za-z]+)*[.\s]*"
)  # "red, blue"
_PLAIN_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{2,}(?![A-Za-z]*[({}])")
_REPEATED = re.compile(r"^\s*(-?[0-9]*\.[0-9]*?)([0-9]{1,6}?)\2{2,}\s*(?:\\dots|\.{2,})\s*$")
_CLAUSE = re.compile(r",?\s+(?:because|since|so|as|which|where)\b")
_SENTENCE = re.compile(
    r"[A-Za-z]{2,}|[AI]\s|=\s*-?[0-9]|['\"]|[-0-9.,/]+(?:-[a-z]{3,}|\s+[-:])|\$[0-9]"
)
_ONE_BRACE = re.compile(r"\{[^{}\\]*\}")
_UNIT_LETTERS = re.compile(
    r"(.*[0-9}])\s+[mgshLNJWVF](?:\s*\^\s*\{?-?[1-4]\}?)?(?:\s*(?:/|\\cdot)\s*[A-Za-z]+(?:\s*\^\s*\{?-?[1-4]\}?)?)*"
)


# Many solutions of a question state the same expression.
@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Structure, ...]:
    """The ways to read a plain statement. None where it is not understood as a whole and no mathematics is in it."""
    text = (
        _REPEATED.sub(r"\1\\overline{\2}", text)
        .rstrip(" .,;:")
        .lstrip(" ,;:")
        .removeprefix("\\approx")
        .lstrip()
    )
    while _ONE_BRACE.fullmatch(text):
        text = text[1:-1].strip()
    if not text:
        return ()
    if (based := _based(text)) is not None:
        return (based,)
    if _IN_BASE.search(text):
        return ()
    if (noun := _NOUN.match(text)) and (inside := _formulas(text[noun.end() :])):
        return tuple(inside)
    found: list[Structure] = []
    if (choice := _CHOICE.fullmatch(text)) and not _GOES_ON.match(choice[3]):
        found.append(Choice(choice[1] or choice[2]))
        if choice[3]:
            return (*found, *(one for one in readings(choice[3]) if not _is_letter(one)))
    elif (letter := _LETTER.match(text)) and _is_reason(text[letter.end() :]):
        found.append(Choice(letter[1]))
    found += _spelled(text)
    found += _formulas(text)
    found += [] if found else _said(text)
    if words := _words(text):
        found.append(Words(words))
    return tuple(found)


def _spelled(text: str) -> list[Structure]:
    """The number that a text is in words."""
    number = in_words(text)
    return [] if number is None else [Value(sympy.Rational(number.numerator, number.denominator))]


def _said(text: str) -> list[Structure]:
    """What a text says that is no formula as a whole: a number in a sentence, or the last side of an equation."""
    if _NAMED.match(text) and not _COMPARED.search(text):
        return list(readings(text.rpartition("=")[2]))
    number = number_text.stated_number(text) if _SENTENCE.match(text) else None
    return [] if number is None else [Value(sympy.Rational(number.numerator, number.denominator))]


def _based(text: str) -> Based | None:
    """The number with a base that a text is; None where it is none."""
    found = _BASED.fullmatch(text)
    base = (found[2] or found[3] or found[4]) if found else ""
    if found is None or not (base.isdigit() or base in NUMBER_WORDS):
        return None
    return Based(found[1].lower(), str(NUMBER_WORDS.get(base, base)))


def problem_of_gold(text: str) -> str | None:
    """Why nothing can be graded by a gold answer; None where it is understood, or can be compared as written."""
    found = readings(text)
    if len(_PLAIN_WORD.findall(text)) > MAX_GOLD_WORDS:
        return "is prose; give the expression alone"
    if not found and (not canonical(text) or _unbalanced(text)):
        return "is not an expression"
    return None


def is_words(text: str) -> bool:
    """Whether a statement is read as words or as the letter of an option, and as nothing else."""
    found = readings(text)
    return bool(found) and all(isinstance(one, Words | Choice) for one in found)


@lru_cache(maxsize=4096)
def are_equal(gold: str, stated: str) -> bool:
    """Whether two plain statements are written alike, or a reading of one equals one of the other."""
    if canonical(gold) == canonical(stated):
        return True
    clause = _CLAUSE.search(stated)
    if clause and canonical(gold) == canonical(stated[: clause.start()]):
        return may_follow(stated[clause.start() :])
    return any(same(one, other) for one in readings(gold) for other in readings(stated))


def _formulas(text: str) -> list[Structure]:
    """The readings of a text as mathematics, where what comes after it leaves it alone."""
    if (aside := _ASIDE.fullmatch(text)) and may_follow(aside[2]):
        text = aside[1]
    try:
        found, rest = formula.read(text)
    except Unreadable:
        return []
    attached = rest[:1] not in (" ", "", ",", ".", ";")
    if not rest.strip(" .,;:"):
        return [_with_currency(found, text), *_letter_as_unit(text)]
    if attached and not isinstance(found, Value | Collection):
        return []
    if not may_follow(rest) or _is_option(found, rest):
        return []
    if isinstance(found, Value) and not found.unit:
        found = Value(found.expression, found.digits, found.places, unit_of(rest))
    return [_with_currency(found, text)]


def _with_currency(found: Structure, text: str) -> Structure:
    """A value in dollars where a currency sign and no unit is written: $10 is not 10 cents."""
    if not isinstance(found, Value) or found.unit or not text.lstrip("-+ ").startswith("$"):
        return found
    return Value(found.expression, found.digits, found.places, "dollar")


def _is_reason(rest: str) -> bool:
    """Whether nothing follows the letter of an option, or a reason alone."""
    return not rest or bool(_CLAUSE.match(rest) and may_follow(rest))


def _letter_as_unit(text: str) -> list[Structure]:
    """5 where "5 m" or "5 m/s" is written: a number and a unit of one letter, apart."""
    found = _UNIT_LETTERS.fullmatch(text)
    number = number_text.stated_number(found[1]) if found else None
    if found is None or number is None:
        return []
    exact = sympy.Rational(number.numerator, number.denominator)
    return [Value(exact, unit=unit_of(text[found.end(1) :]))]


def _is_option(found: Structure, rest: str) -> bool:
    """Whether a lone letter begins a sentence: "A number" is no option."""
    return (
        _is_letter(found) and re.match(r"\s*[,;(]|\s+(?:because|since|as|is|for)\b", rest) is None
    )


def _words(text: str) -> str:
    """The words that a statement is, in lower case, without an article; empty where it has anything else."""
    found = _WORDS.match(text)
    if found is None or "?" in text:
        return ""
    rest = text[found.start(1) + len(found[1].rstrip()) :]
    if not may_follow(rest) or _ANOTHER_WORD.fullmatch(rest):
        return ""
    said = re.split(r"\s+(?:because|since|as|which|where|so)\b", found[1])[0]
    return " ".join(said.lower().split()) if len(said.strip()) > 1 else ""


def _is_letter(found: Structure) -> bool:
    return isinstance(found, Choice) or (isinstance(found, Value) and found.expression.is_Symbol)


def _unbalanced(text: str) -> bool:
    return text.count("{") != text.count("}") or text.count("(") + text.count("[") != text.count(
        ")"
    ) + text.count("]")
