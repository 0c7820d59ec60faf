r"""Reads a number as a person writes it: 1,234.50, $18, -3/4, 3 1/2, 1e5, 1.5 x 10^3, \frac{3}{4}, 50%, with a unit.

A number is exact, a Fraction. What is more than one number - a sum, a list, a range, a time, a scale - is read as none,
so that it is never scored as its first part. Texts are those of `notation.plain`.

math-verify reads numbers, too. It is not used here: it reads "3 1/2" and "1e5" as 1, "10 or 12" as 12 and "5 million"
as 5, takes 60 times as long, and needs sympy and a clock.
"""

import re
from fractions import Fraction

from hybrid_rl.verification.after_number import MONTHS, UNIT, may_follow
from hybrid_rl.verification.number_words import NUMBER_WORDS, in_words

MAX_DIGITS = 60
"""The most digits of a numerator or denominator as written; the exact value of a longer one could cost any time."""
MAX_EXPONENT = 400

_FRACTION = re.compile(
    r"\\frac\s*(?:\{\s*(-?)\s*([0-9.,]{1,60})\s*\}\s*\{\s*([0-9.,]{1,60})\s*\}|([0-9])\s*([0-9])(?![0-9])"
    r"|([0-9])\s*\{\s*([0-9]{1,60})\s*\})"
)
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]*+)?|\.[0-9]++"
_NUMBER = re.compile(
    rf"""
    (?<![0-9A-Za-z_.,^/}}])
    (?P<sign>[-+])?\s?\$?\s?(?P<late_sign>-)?
    (?>(?P<whole>{_DIGITS})
    (?:[eE](?P<exponent>[-+]?[0-9]{{1,3}})(?![0-9A-Za-z])
      |\s*(?:\\cdot|[x*])\s*10\s*\^\s*(?:\{{\s*(?P<braced>[-+]?[0-9]{{1,3}})\s*\}}|(?P<power>-?[0-9]{{1,3}}))(?![0-9]))?
    (?:\s+(?P<over>[0-9]++)\s?/\s?(?P<under>[0-9]++) | \s?/\s?(?P<denominator>{_DIGITS}))?)
    """,
    re.VERBOSE,
)
# What may stand between a marker and its number.
_LEAD = re.compile(
    r"(?:[\s:(\[{\"'~]|\\approx|\b(?:about|approximately|exactly|only|just|simply|equal to|equals|a total of"
    r"|the (?:number|integer|value|fraction|sum|total))\b)*+"
)
# "the difference between 12 and 5, which is 7", "2 dozen, i.e. 24 eggs"
_RESTATED = re.compile(
    r"[,;(]\s*(?:which\s+(?:is|equals)|i\.e\.,?|that\s+is,?|namely)\s+(\$?[0-9][0-9.,]*(?:\s+[A-Za-z]+)?)[)\s.]*$"
)
_BOUNDED = re.compile(
    r"\b(?:not|than|least|most|or|either|if|unless|around|maybe|perhaps)\b|n't\b", re.IGNORECASE
)
# "undefined for x = 5" says nothing of the answer.
_CONDITION = re.compile(r"\b(?:for|when|if|where|unless|given|with|undefined)\s", re.IGNORECASE)
_CENTS = re.compile(
    r"\$?([0-9][0-9,]*)\s+dollars?,?\s+(?:and\s+)?([0-9]{1,2})\s+cents?\b", re.IGNORECASE
)
_IN_WORDS = re.compile(
    r"([A-Za-z]+(?:[ -][A-Za-z]+){0,12})\s*(?:\(\s*([0-9][0-9,]{0,20})\s*\))?[\s.!]*$"
)
_EQUALS = re.compile(r"(?<![<>!:])=+>?|\\approx|\\Rightarrow|\\implies")
# A sentence with one of these before its only number does not state that number.
_NOT_STATED = re.compile(
    r"n't\b|\b(?:not|no|never|neither|nor|cannot|between|either|or|if|unless|than|least|most|more|less|fewer|under|over"
    r"|below|above|within|from|to|up|step|part|case|question|problem|example|figure|equation|section|chapter|page|line"
    r"|option|number|wrong|incorrect|unlike|except|maybe|perhaps|might|may|could|root|square|cube|half|twice|double"
    r"|log|ln|sin|cos|tan|sqrt|exp|mod|gcd|lcm|max|min|anything|everything|opposite|inverse|reciprocal|negation"
    r"|complement|logarithm|divisible|divided|multipl\w+|factor|digits?|all but|base"
    r"|room|version|floor|row|column|chapter|item"
    rf"|minus|negative|plus|times|power|factorial|{'|'.join(NUMBER_WORDS)}|{MONTHS.replace(' ', '|')})\b",
    re.IGNORECASE,
)
# "the square of 5" is not 5; a total of 5 is.
_OF = re.compile(
    r"\b(?!(?:total|amount|sum|cost|price|profit|gain|loss|speed|rate|average|distance|length|height|width|weight|area"
    r"|volume|age|score|value|temperature|discount|salary|balance|population|duration|answer|result|bill|savings|tip"
    r"|revenue|income|pace|capacity|depth|perimeter|radius|diameter|majority|probability)\s)[a-z-]+\s+of\s+\$?\s?$"
    r"|\bbut\s+$",
    re.IGNORECASE,
)


def stated_number(text: str) -> Fraction | None:
    """The number that a statement is: at its beginning, after its last equals sign, or the only one in a sentence."""
    text = _with_slashes(text)
    if (spelled := _spelled(text)) is not None:
        return spelled
    if cents := _CENTS.match(text):
        money = Fraction(cents[1].replace(",", "")) + Fraction(int(cents[2]), 100)
        return money if may_follow(text[cents.end() :]) else None
    if (first := _leading(text)) is not None:
        return first
    if (restated := _RESTATED.search(text)) and not _BOUNDED.search(text[: restated.start()]):
        return _leading(restated[1])
    sides = _EQUALS.split(text)
    if len(sides) > 1 and _CONDITION.search(sides[0]):
        return None
    if len(sides) > 1 and not any(_is_multiple(side) for side in (sides[-2], sides[-1])):
        first, last = _leading(sides[0]), _leading(sides[-1])
        if first is not None and last is not None and first != last:
            return None  # "4 = 5"
        return first if last is None else last
    return _only(text)


def last_number(text: str) -> Fraction | None:
    """The last number of a text without a mark, where its sentence states that number alone."""
    text = _with_slashes(text)
    every = list(_NUMBER.finditer(text))
    if not every:
        return None
    last = every[-1]
    before = re.split(r"[.!?]\s|\n|,|[0-9]", text[: last.start()])[-1]
    if re.search(r"[0-9]\s*(?:or|and|to|[-&])\s*$", text[: last.start()]) or _NOT_STATED.search(
        before
    ):
        return None
    sentence, end = re.match(r"((?:[^.!?\n]|[.](?=\S))*)([.!?\n]?)", text[last.end() :]).groups()  # type: ignore[union-attr]  # it always matches
    return _value(last) if end != "?" and may_follow(sentence) else None


def _with_slashes(text: str) -> str:
    r"""`text` with 3/4 in place of \frac{3}{4}, and a sign at its beginning next to its number."""
    if "\\frac" in text:
        text = _FRACTION.sub(
            lambda found: (
                f" {found[1] or ''}{found[2] or found[4] or found[6]}"
                f"/{found[3] or found[5] or found[7]} "
            ),
            text,
        )
        text = re.sub(r"(?<=[-+]) +(?=[0-9])", "", text) if text.lstrip()[:1] in "-+" else text
    text = text.strip()
    return re.sub(r"^([-+])\s+(?=[0-9.$])", r"\1", text)


def _leading(part: str) -> Fraction | None:
    """The number at the beginning of a text, where what follows leaves it alone."""
    lead = _LEAD.match(part)
    part = part[lead.end() if lead else 0 :]
    part = re.sub(r"^([-+])\s+(?=[0-9.$])", r"\1", part)
    found = _NUMBER.match(part)
    if found is None:
        return None
    return _value(found) if may_follow(part[found.end() :]) else None


def _spelled(text: str) -> Fraction | None:
    """The number that a text spells in words: "twelve", "twelve apples", "eighteen (18)"."""
    found = _IN_WORDS.match(text)
    if found is None:
        return None
    value = in_words(found[1])
    if value is None:  # the last word may be what is counted
        counted, _, unit = found[1].rpartition(" ")
        value = in_words(counted) if not found[2] and may_follow(f" {unit}") else None
        value = None if value in (0, 1) else value
    if value is None or (found[2] and int(found[2].replace(",", "")) != value):
        return None
    return value


def _is_multiple(side: str) -> bool:
    """Whether a side of an equation is a letter times a number, 3x, so that the equation is still to be solved."""
    found = re.fullmatch(r"\W*[0-9.,]+([a-z])\W*", side)
    return found is not None and UNIT.fullmatch(found[1]) is None


def _only(text: str) -> Fraction | None:
    """The number of a sentence that has no other, and says nothing that takes it back."""
    every = list(_NUMBER.finditer(text))
    # Digits elsewhere, even inside a word, make it unclear which number is meant.
    if len(every) != 1 or re.search("[0-9]", text[: every[0].start()] + text[every[0].end() :]):
        return None
    before = text[: every[0].start()]
    if (
        re.search(r"[\\^_={}<>|+*/!#-]|[A-Za-z0-9]\($", before)
        or (every[0]["sign"] and re.search(r"(?:^|\W)[A-Za-z]\s*$", before))  # "x + 5"
        or _NOT_STATED.search(before)
        or _OF.search(before)
    ):
        return None
    return _value(every[0]) if may_follow(text[every[0].end() :]) else None


def _value(found: re.Match[str]) -> Fraction | None:
    """The value of a match of _NUMBER; None where a part is too long, a denominator is 0, or 3 5/2 is written."""
    parts = found.group("whole", "denominator", "over", "under")
    if any(part is not None and len(part) > MAX_DIGITS for part in parts):
        return None
    whole, denominator, over, under = parts
    exponent = int(found["exponent"] or found["braced"] or found["power"] or 0)
    if abs(exponent) > MAX_EXPONENT:
        return None
    value = Fraction(whole.replace(",", "").rstrip("."))
    # Most numbers have none of these, and fractions take their time.
    if exponent:
        value *= Fraction(10) ** exponent
    if denominator is not None:
        below = Fraction(denominator.replace(",", "").rstrip("."))
        if below == 0:
            return None
        value /= below
    if over is not None:
        if int(under) <= int(over):
            return None
        value += Fraction(int(over), int(under))
    return -value if "-" in (found["sign"], found["late_sign"]) else value
