"""Whether what a solution says after its answer takes that answer back: "Wait, that is wrong, because x is even".

A doubt alone takes nothing back, for most of them end in "yes, 5 is correct". It knows no language but English, and its
time is linear in the length of the text.
"""

import re

_WRONG = (
    r"(?:wrong|incorrect|false|impossible|invalid|a\s+mistake|an\s+error|not\s+(?:right|correct|possible|valid|true"
    r"|the\s+(?:answer|solution)|what\s+(?:was|is)\s+asked))"
)
_IT = (
    r"(?:that|this|it|(?:the|my|this|that)\s+(?:(?:above|previous|first|final|last|earlier)\s+)?"
    r"(?:answer|result|solution|calculation|computation|value|working))"
)
_IS_WRONG = (
    rf"\b{_IT}(?:'s|\s+(?:is|was|must\s+be|seems|looks|can(?:no|')t\s+be))"
    rf"\s+(?:clearly\s+|actually\s+|also\s+)?{_WRONG}\b(?!\s+that\b)"
)
_OPENER = (
    r"\b(?:wait|hold\s+on|hang\s+on|hm+|actually|no|sorry|oh|let\s+me\s+(?:re-?\s?\w+|double[-\s]check|check|correct|fix)|"
    r"on\s+(?:second\s+thought|reflection)|but|however)\b"
)
_MISTAKE = (
    r"\bI(?:'ve|\s+have)?\s+(?:made\s+an?\s+(?:\w+\s+)?(?:mistake|error)|forgot(?:ten)?|missed|mis\w{3,}|dropped|overlooked"
    r"|double[-\s]counted|should\s+have|was\s+wrong)\b"
)
_DENIAL = re.compile(
    # An exclamation that denies by itself, at the beginning of a sentence.
    r"(?:^|[.!?\n$)\]}*]\s{0,4}|[\u2014-]\s{0,4})(?:no,?\s+wait|wait,?\s+no|actually,?\s+no|oops|scratch\s+that|correction\s*[:,])"
    # "Wait, ... that is wrong", "Hmm, ... I dropped a sign"
    rf"|{_OPENER}[^\n]{{0,200}}?(?:{_IS_WRONG}|{_MISTAKE})"
    rf"|{_OPENER}[^.?\n]{{0,60}}?\b(?:that|it|the\s+answer|this)\s+(?:should|must)\s+(?:actually\s+|instead\s+|really\s+)?be\s+\$?-?[0-9]"
    # The sentence right after the answer.
    rf"|^[^.!?\n]{{0,200}}[.!?$*]{{1,8}}\s{{1,8}}(?:{_OPENER}[\s,]{{1,8}})?{_IS_WRONG}",
    re.IGNORECASE,
)
_STANDS = re.compile(
    r"\b(?:is|was|were|are|looks?|seems?)\s+(?:indeed\s+|actually\s+|still\s+|in\s+fact\s+|also\s+)?"
    r"(?:correct|right|fine|ok(?:ay)?|consistent)\b|\b(?:stands|after\s+all|checks?\s+out|never\s*mind|all\s+good"
    r"|confirm\w*|no\s+(?:mistake|error))\b|[\u2713\u2714\u2705]",
    re.IGNORECASE,
)


def is_taken_back(said: str) -> bool:
    """Whether an answer, with which `said` begins, is denied later on in it, and not affirmed after that."""
    denials = list(_DENIAL.finditer(said))
    return bool(denials) and _STANDS.search(said, denials[-1].end()) is None
