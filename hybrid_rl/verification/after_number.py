r"""What may follow a number so that the number still is all that was stated: an end, a unit, a reason, a clause.

All else makes it a part of something: "5 or 6", "3 hours 20 minutes", "5 million", "3 < x", "10:30", "4 \sqrt{5}".
Texts are those of `notation.plain`. It knows no language but English.
"""

import re

from hybrid_rl.verification.number_words import NUMBER_WORDS

MONTHS = "january february march april june july august september october november december"
"""The months in lower case, but for May, which is a word of its own."""
_UNITS = (
    "cm|mm|km|dm|nm|m|g|s|h|l|L|N|J|W|V|F|T|ft|yd|mi|in|kg|mg|lbs?|oz|m[lL]|hrs?|mins?|secs?|ms|mph|kph|kmh|rad|deg"
    "|USD|EUR|GBP|usd|Hz|kHz|MHz|GHz|Pa|kPa|mol|eV|keV|MeV|GeV|kJ|kW|kWh|pm|am|AU|pc|Mpc|kpc|erg|dyn|rpm|bps|kB|MB|GB"
)
UNIT = re.compile(rf"(?:{_UNITS})(?![A-Za-z0-9])")
"""An abbreviated unit; any longer word may be one, too."""
_SLASHED = re.compile(r"\s*(?:/|\\cdot)\s*(?:\\unit\s*\{[A-Za-z]\}|[A-Za-z]+)")
_POWER = re.compile(r"\s*\^\s*(?:\{\s*-?[1-4]\s*\}|-?[1-4])(?![0-9])")
_SIGN = re.compile(
    r"\s*(?:%|per\s?cent\b|\\deg(?![a-z])(?:\s*[CFK]\b)?|\$|\\unit\s*\{[A-Za-z]\}|'{1,2}(?=\W|$))"
)
# "72/hour"; a shorter run of letters may be variables.
_PER = re.compile(r"\s?/\s?([A-Za-z]{3,}|hr|yr|wk)(?![A-Za-z(\\^_])")
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:[-'][A-Za-z]+)*")
_END = re.compile(r"[\s.!?)\]}*_\"'`:;,]*(?:</answer>.*)?$", re.DOTALL)
# Pictures that end an answer; a cross is none of them, for it denies.
_PICTURES = "\u2600-\u2714\u2719-\u274b\u2750-\u27bf\ufe0f\U0001f000-\U0001faff"
_CLOSING = re.compile(rf"[\s*_\"'`{_PICTURES}]+")
# What a bracket says that changes the number before it: another value, its base, that it is none.
_CHANGING_ASIDE = re.compile(
    r"^\s*(?:or|to|and(?!\s+not))\b|\b(?:base|binary|ternary|octal|hex\w*|wrong|incorrect|invalid|rejected|extraneous|mod"
    r"|thousands?|millions?|billions?|dozens?)\b",
    re.IGNORECASE,
)
_IN_BASE = re.compile(r"\s+(?:base|binary|ternary|octal|hex\w*)\b", re.IGNORECASE)
_ODDS = re.compile(r"\s+in\s+(?:every\s+)?[0-9][0-9,]*\s*(?:$|[.,;)]|chance)")  # "1 in 5"
_WRONG = re.compile(
    r"\s+(?:be\s+)?(?:wrong|incorrect|false|impossible|not\s+(?:correct|right|true|possible))\b",
    re.I,
)
# After one of these, a reason or a circumstance is told, whatever numbers that has.
_OPENS_CLAUSE = frozenset(
    "because since as so which where per for therefore thus hence given after when while in instead rather giving"
    " making i.e e.g namely not".split()
)
# "18 each, so 36": what follows from the number is a number, too. A sum may follow: "so 9 + 9 = 18".
_SO_ANOTHER = re.compile(r"\s+(?:it is |that is )?\$?[0-9][0-9.,]*(?!\s*[-+*/x=0-9\\%])")
# The number before "at most" or "and up" is a bound.
_BOUND = re.compile(
    r"(?:at\s+(?:most|least|(?:a\s+)?(?:minimum|maximum))|and\s+(?:up|above|below|over|under|beyond))\b"
)
# After a comma or a dash: a condition, or another number in place of the first.
_TAKES_BACK = re.compile(
    r"[\s,;:-]*(?:(?:if|unless|assuming|provided|supposing)\b"
    r"|(?:(?:no|nope|sorry|wait|oops|actually|rather|correction|i\s+mean(?:t)?|or\s+rather)\b[\s,:-]*)+[^.]*?"
    rf"(?:[0-9]|\b(?:{'|'.join(NUMBER_WORDS)})\b)"
    r"|(?:which|that|this)\s+(?:is|was)\s+(?:wrong|incorrect|false|impossible|not\s+(?:correct|right|possible))\b"
    r"|rounded(?:\s+(?:up|down|off))?\s+to\b|(?:then\s+)?(?:doubled|tripled|quadrupled|halved|squared|cubed)\b)",
    re.IGNORECASE,
)
# "5 for x > 0, but 6 for x < 0", "5 only if x > 0", "5 for even n and 6 otherwise"
_BY_CASES = re.compile(
    r"\s*(?:only\s+(?:if|when|for|where)\b|(?:for|when|where)\b[^.\n]{1,80}?"
    r"(?:\b(?:and|but|or)\s+[^\s]{1,20}\s+(?:for|when|where|if)\b|\botherwise\b|\belse\b))",
    re.IGNORECASE,
)
_DIFFERENCE = re.compile(
    r"\s+[a-z]+(?:\s+[a-z]+)?\s+than\b", re.IGNORECASE
)  # "18 more eggs than Tom"
# What makes the number a part of a larger statement, a doubtful one, or another number.
_CHANGES = frozenset(
    "or to through x times plus minus divided over squared cubed hundred hundreds thousand thousands million millions"
    " billion billions trillion trillions quadrillion dozen dozens score gross pi sqrt mod modulo choose factorial than"
    " out half halves quarter quarters third thirds remainder if unless maybe perhaps k bn mio by below above versus vs"
    " ln log sin cos tan exp and between either neither nor except fourths fifths sixths sevenths eighths ninths tenths"
    " elevenths twelfths sixteenths twentieths hundredths thousandths millionths tenth hundredth thousandth fifth sixth"
    " eighth lakh lakhs crore crores tens th st nd rd doubled tripled quadrupled halved negative"
    f" {MONTHS}".split()
)
_HAS_NUMBER = re.compile(rf"[0-9]|\b(?:{'|'.join(NUMBER_WORDS)}|half|quarter)\b", re.IGNORECASE)
_AS_MANY = re.compile(r"\s+(?:as|more|larger|bigger|greater|faster|longer)\b")
_PAIRS = re.compile(r"left\s+over\b|per\s+[A-Za-z]+")  # words that are one unit together
_HOW_OFTEN = re.compile(
    r"\W*$|\s*[.,;!]\s|\s+(?:a|an|each|every|per)\s+(?:second|minute|hour|day|night|week|month|year)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\s*(?:,|and|but|or)*\s*(?:and|but)?\s*(?:not|never|rather than|instead of)\b", re.I
)


def may_follow(rest: str) -> bool:
    """Whether `rest` leaves the number before it alone. Its time is linear in the length of `rest`."""
    if _ODDS.match(rest) or _BY_CASES.match(rest):
        return False
    attached = True  # "5m", "5k": a letter without a blank may be a variable or a scale
    while True:
        if _END.match(rest) and not (attached and rest.startswith("!")):
            return True
        if (beyond := _beyond_signs(rest)) is not None:
            rest, attached = beyond, False
            continue
        if rest[0] == "!" and attached:
            return False  # a factorial, or an exclamation
        if rest[0] in ",;.!?:":
            return _clause(rest[0], rest[1:])
        if rest[0] in "({[":
            inside, closed, rest = rest[1:].partition({"(": ")", "{": "}", "[": "]"}[rest[0]])
            if attached or not closed or not _is_aside(inside):
                return False
            continue
        if rest[0] == "-" and re.match(r"-+\s*[A-Za-z]{2}", rest):
            return not (_TAKES_BACK.match(rest) or attached) or _continues_word(rest)
        word = _WORD.match(rest)
        if word is None:
            return False
        decided = _decided_by(word.group(), rest[word.end() :], attached)
        if decided is not None:
            return decided
        rest, attached = _beyond_unit(rest[word.end() :]), False


def unit_of(rest: str) -> str:
    """The unit that follows a number, in the singular, with its power; empty where none is known."""
    rest = rest.strip()
    power = {"square": "2", "sq": "2", "cubic": "3"}.get(rest.partition(" ")[0].rstrip("."), "")
    if power:
        rest = rest.partition(" ")[2].strip()
    word = re.match(r"\\unit\s*\{([A-Za-z])\}|([A-Za-z]+)|(%|\\deg)", rest)
    if word is None:
        return ""
    name = word[1] or word[2] or word[3]
    known = _ALIASES.get(name) or _ALIASES.get(name.lower())
    if known is None:
        return ""
    rest = rest[word.end() :]
    if known == "degree" and (scale := re.match(r"\s*(?:\\unit\s*\{)?([CFK])\b", rest)):
        return f"degree/{scale[1]}"
    raised = re.match(r"\s*\^\s*\{?\s*(-?[1-4])", rest)
    over = re.match(
        r"\s*(?:/|per\b)\s*(.*)", rest[raised.end() :].lstrip(" }") if raised else rest, re.DOTALL
    )
    below = unit_of(over[1]) if over else ""
    return known + (raised[1] if raised else power) + (f"/{below}" if below else "")


def units_differ(one: str, other: str) -> bool:
    """Whether two units cannot be the same. What one leaves out - a unit, "per hour", Celsius - is no difference."""
    if not one or not other:
        return False
    (above, _, below), (other_above, _, other_below) = one.partition("/"), other.partition("/")
    return above != other_above or bool(below and other_below and below != other_below)


_ALIASES = {
    alias: names.split()[0]
    for names in (
        "inch inches in", "foot feet ft", "yard yards yd", "mile miles mi", "meter meters metre metres m",
        "cm centimeter centimeters centimetre centimetres", "mm millimeter millimeters", "km kilometer kilometers",
        "second seconds sec secs s", "minute minutes min mins", "hour hours hr hrs h", "day days", "week weeks",
        "month months", "year years", "dollar dollars USD usd", "cent cents", "degree degrees deg \\deg",
        "radian radians rad", "ampere amperes amps A", "volt volts V", "watt watts W", "kW kilowatt kilowatts",
        "newton newtons N", "joule joules J", "kJ kilojoule kilojoules", "hertz Hz", "Pa pascal pascals", "kPa",
        "kg kilogram kilograms", "gram grams g", "pound pounds lb lbs", "liter liters litre L l",
    )
    for alias in names.split()
}  # fmt: skip


def _decided_by(word: str, rest: str, attached: bool) -> bool | None:
    """Whether a word ends the question; None where it is a unit, or a part of one, and what follows it decides."""
    low = word.lower()
    if attached and not (UNIT.fullmatch(word) and len(word) > 1) and len(word) < 4:
        return False  # "5x", "2RC"
    if low in ("and", "but") and not _BOUND.match(low + rest):
        return bool(_DENIES.match(word + rest)) or not _HAS_NUMBER.search(rest)
    decided = _decided_by_several(low, rest)
    if decided is not None:
        return decided
    if low in _CHANGES or low in NUMBER_WORDS:
        return False
    if "-" in low and any(part in _CHANGES | {"ten"} for part in low.split("-")):
        return False  # "ten-thousands", "two-thirds"
    if low == "in" and _IN_BASE.match(rest):
        return False
    if low in ("is", "was", "cannot", "can't") and _WRONG.match(rest):
        return False
    if low in _OPENS_CLAUSE:
        return True
    if len(word) == 1 and not UNIT.fullmatch(word) and low != "a":
        return False
    return None


def _decided_by_several(low: str, rest: str) -> bool | None:
    """Whether a word and what comes next end the question together: "times as many", "at most", "left over"."""
    if _BOUND.match(low + rest) or (low == "so" and _SO_ANOTHER.match(rest)):
        return False
    if low == "times" and (_AS_MANY.match(rest) or _HOW_OFTEN.match(rest)):
        return True
    if low in ("more", "fewer") and (compared := _DIFFERENCE.match(rest)):
        return not _HAS_NUMBER.search(rest[compared.end() :])
    if beyond := _PAIRS.match(low + rest):
        return may_follow((low + rest)[beyond.end() :])
    return True if low == "or" and re.match(r"\s+so\b\W*$", rest) else None


def _beyond_signs(rest: str) -> str | None:
    """What follows a sign, a rate such as "/hour", blanks and marks; None where none of these comes next."""
    if sign := _SIGN.match(rest):
        return _beyond_unit(rest[sign.end() :])
    if closing := _CLOSING.match(rest):
        return rest[closing.end() :]
    if (per := _PER.match(rest)) and per[1].lower() not in _CHANGES | NUMBER_WORDS.keys():
        return rest[per.end() :]
    return None


def _is_aside(inside: str) -> bool:
    """Whether words in brackets leave the number before them alone."""
    return bool(re.search("[A-Za-z]{2}", inside)) and not _CHANGING_ASIDE.search(inside)


def _beyond_unit(rest: str) -> str:
    """What follows the power of a unit and what it is divided by."""
    while found := _POWER.match(rest) or _SLASHED.match(rest):
        rest = rest[found.end() :]
    return rest


def _continues_word(rest: str) -> bool:
    """Whether "-hour drive" follows: a unit joined by a hyphen."""
    return re.match(r"-[A-Za-z]{3,}", rest) is not None


def _clause(mark: str, rest: str) -> bool:
    """Whether what follows a mark of punctuation is another clause, not more of the statement."""
    if mark in ",;:" and _TAKES_BACK.match(rest):
        return False
    if mark in ".!?" and (not rest or rest[0].isspace()):
        return True
    if mark == "." and rest.startswith(".."):
        rest = rest.lstrip(".")
    found = _WORD.match(rest.lstrip(" *_\"'("))
    if found is None:
        return _END.match(rest) is not None
    word = found.group().lower()
    if word in ("so", "thus", "hence", "therefore") and _SO_ANOTHER.match(
        rest.lstrip(" *_\"'(")[found.end() :]
    ):
        return False
    if word == "but" and _WRONG.search(rest):
        return False
    if word in (
        "or",
        "and",
        "but",
        "maybe",
        "perhaps",
        "possibly",
        "plus",
        "minus",
        "though",
        "although",
    ):
        return bool(_DENIES.match(rest)) or not _HAS_NUMBER.search(rest)
    return word not in NUMBER_WORDS and (len(found.group()) > 1 or word in "ai")
