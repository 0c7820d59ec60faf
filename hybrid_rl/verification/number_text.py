r"""Reads a number as a person writes it: 1,234.50, $18, -3/4, 3 1/2, 1e5, \frac{3}{4}, 50%, with a unit after it.

A number is exact, a Fraction. What is more than one number - a sum, a list, a range, a time, a scale - is read as none,
so that it is never scored as its first part. Digits of other scripts count as digits; superscripts do not.

math-verify reads numbers, too. It is not used here: it reads "3 1/2" and "1e5" as 1, "10 or 12" as 12 and "5 million"
as 5, takes 60 times as long, and needs sympy and a clock.
"""

import re
import unicodedata
from fractions import Fraction

MAX_DIGITS = 60
"""The most digits of a numerator or denominator as written; the exact value of a longer one could cost any time."""
MAX_EXPONENT = 400

# Minus and dashes; full-width comma and full stop.
_SIGNS = str.maketrans(
    dict.fromkeys("\u2212\ufe63\uff0d\u2012\u2013\u2014", "-") | {"\uff0c": ",", "\uff0e": "."}
)
_THIN_SPACES = re.compile(r"(?<=[0-9])[\u00a0\u202f\u2009](?=[0-9]{3}(?![0-9]))")
_BOLD = re.compile(r"(?<![\w)])(?:\*\*|__)|(?:\*\*|__)(?![\w(])")
_FRACTION = re.compile(
    r"\\[dt]?frac\s*(?:\{\s*([-0-9.,]{1,60})\s*\}\s*\{\s*([0-9.,]{1,60})\s*\}|([0-9])\s*([0-9]))"
)
_WRAPPED = re.compile(r"\\(?:text|textbf|mathbf|mathrm|mbox)\s*\{([^{}]{0,200})\}")

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?|\.[0-9]++"
# What makes a number a part of something else when it comes next.
_MORE = r"""(?!
    [0-9] | [.,:][0-9] | \s+[0-9] | [eE][-+]?[0-9] | \([0-9] | _[0-9{] | \{
    | \s*(?:[+*^\xf7\xd7\xb7\u221a\u03c0] | -\s*[0-9(\\$] | /\s*[0-9(\\$])
    | \s*\\(?:times|cdot|div|pm|sqrt|pi|[dt]?frac|binom|left|log|ln|sin|cos|tan|ldots|dots|to)(?![a-z])
    | [ixyznkKMB](?![a-zA-Z])
    | \s*(?:thousand|million|billion|trillion|hundred|dozen|pi)s?\b
    | \s*(?:,|;|,?\s*\b(?:or|and|to)\b)\s*[-+$]?\s?[0-9]
    | [^\x00-\x7f°€£¥₹元円个]
)"""
_NUMBER = re.compile(
    rf"""
    (?<![0-9A-Za-z_.,^/])
    (?P<sign>[-+])?\s?[$€£¥₹]?\s?(?P<late_sign>-)?
    (?>(?P<whole>{_DIGITS})(?:[eE](?P<exponent>[-+]?[0-9]{{1,3}})(?![0-9]))?
    (?:\s+(?P<over>[0-9]++)\s?/\s?(?P<under>[0-9]++) | \s?/\s?(?P<denominator>{_DIGITS}))?
    (?:\s?%)?)
    {_MORE}
    """,
    re.VERBOSE,
)
# What may stand between a marker and its number: punctuation, emphasis, math delimiters.
_LEAD = re.compile(r"(?:[\s:*_$(\[{\"'`~≈>]|\\[(\[])*+")
_HEADING = re.compile(r"\s*[.):]\s+\S")


def leading_number(text: str, anywhere: bool = False, headings: bool = False) -> Fraction | None:
    """The number on the first line of `text` that has words, at its beginning or else after its last `=`.

    `anywhere`: failing that, the only number of the line counts. `headings`: "2. Count" is a heading and no number.
    """
    line = next((line for line in _plain(text[:500]).splitlines() if line.strip(" *_:\t")), "")
    for part in (line, line.rpartition("=")[2]):
        lead = _LEAD.match(part)
        part = part[lead.end() if lead else 0 :]
        found = _NUMBER.match(part)
        if found and not (headings and _HEADING.match(part, found.end())):
            return _value(found)
    if anywhere and not re.search(r"\bnot\b", line):
        every = list(_NUMBER.finditer(line))
        # Digits elsewhere, even inside a word, make it unclear which number is meant.
        if len(every) == 1 and not re.search("[0-9]", line.replace(every[0].group(), "", 1)):
            return _value(every[0])
    return None


def last_number(text: str) -> Fraction | None:
    """The last number of `text`."""
    every = list(_NUMBER.finditer(_plain(text)))
    return _value(every[-1]) if every else None


def _plain(text: str) -> str:
    """`text` in ASCII digits and signs, without emphasis and LaTeX around numbers."""
    if not text.isascii():
        text = ascii_digits(_THIN_SPACES.sub(",", text.translate(_SIGNS)))
    text = _BOLD.sub(" ", text)
    if "\\" in text or "{" in text:
        text = text.replace("{,}", ",").replace("\\$", "$").replace("\\%", "%")
        text = re.sub(r"\\(?:[!,;: ]|left|right)", "", text)
        text = _WRAPPED.sub(r" \1 ", text)
        text = _FRACTION.sub(lambda found: f" {found[1] or found[3]}/{found[2] or found[4]}", text)
    return re.sub(r"- +(?=[0-9.])", "-", text) if text.lstrip().startswith("- ") else text


def ascii_digits(text: str) -> str:
    """`text` with the digits of every script in ASCII. Superscripts and ½ are no digits in this sense."""
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def _value(found: re.Match[str]) -> Fraction | None:
    """The value of a match of _NUMBER; None where a part is too long, or a denominator is 0."""
    whole, denominator = found["whole"], found["denominator"] or "1"
    over, under = found["over"] or "0", found["under"] or "1"
    if any(len(part) > MAX_DIGITS for part in (whole, denominator, over, under)):
        return None
    exponent, below = int(found["exponent"] or 0), Fraction(denominator.replace(",", ""))
    if abs(exponent) > MAX_EXPONENT or below == 0 or int(under) == 0:
        return None
    value = Fraction(whole.replace(",", "")) * Fraction(10) ** exponent / below
    value += Fraction(int(over), int(under))
    return -value if "-" in (found["sign"], found["late_sign"]) else value
