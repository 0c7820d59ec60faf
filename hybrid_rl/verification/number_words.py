"""Numbers in English words: twelve, twenty-two, three hundred and five, two million, two thirds."""

import re
from fractions import Fraction

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty"
)
NUMBER_WORDS = {word: value for value, word in enumerate(_WORDS.split())}
"""The words up to twenty, which are a sentence's numbers as digits are."""
_TENS = {
    word: 10 * (at + 3)
    for at, word in enumerate(["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
}
_SCALES = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}


_PARTS = {
    word: value
    for value, words in enumerate(
        ["half halves", "third thirds", "quarter quarters fourth fourths", "fifth fifths"], start=2
    )
    for word in words.split()
}


def in_words(text: str) -> Fraction | None:
    """The number that all of the text spells; None where it spells none."""
    counted, _, part = text.strip().lower().replace("-", " ").rpartition(" ")
    if part in _PARTS:
        count = NUMBER_WORDS.get(counted)
        return Fraction(count, _PARTS[part]) if count else None
    whole = _whole(text)
    return None if whole is None else Fraction(whole)


def _whole(text: str) -> int | None:
    """The whole number that all of the text spells; None where it spells none."""
    words = re.split(r"[\s-]+", text.strip().lower())
    if len(words) > 12:
        return None
    total = part = 0
    last = 10**15  # what the next word must be less than
    for at, word in enumerate(words):
        if word == "and" and 0 < at < len(words) - 1 and words[at - 1] in _SCALES:
            continue
        if word in _SCALES and at > 0:
            if part == 0:
                return None
            part, last = (part * 100, 100) if word == "hundred" else (part * _SCALES[word], 10**15)
            if word != "hundred":
                total, part = total + part, 0
            continue
        value = NUMBER_WORDS.get(word, _TENS.get(word))
        if value is None or value >= last or (value == 0 and len(words) > 1):
            return None
        part, last = part + value, 10 if value >= 20 else 0
    return total + part
