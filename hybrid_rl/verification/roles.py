"""Verifier `roles` of Knights and Knaves: a solution must give every person the gold role.

It is cheap: no library, and time linear in the length of the part that is read.
"""

import re
from collections.abc import Iterator, Mapping

from hybrid_rl.verification import answers
from hybrid_rl.verification.verifier import BuiltIn, Said, compared

_MAX_PEOPLE = 50
_NAME = r"[^\W\d_a-z][\w'-]{0,40}"
_GOLD = re.compile(rf"(?<![\w'-])({_NAME}(?: {_NAME}){{0,5}}) is an? (knight|knave)\b")
_VERB_AND_ROLE = re.compile(
    r"(?P<verb>\b(?:is|are|must\s+be|(?P<no>cannot\s+be|can't\s+be|is\s+not|isn't|are\s+not))\b|->|[:=|-]|→)"
    r"\s*(?:(?:both|all|indeed|therefore|thus|definitely)\s+)?(?:an?\s+|the\s+)?(?P<role>knight|knave)s?\b",
    re.IGNORECASE,
)
_JOINT = re.compile(r"(?:\s*,\s*(?:and\s+)?|\s+and\s+)$", re.IGNORECASE)
_INSIDE_NAME = re.compile(r"[\w'-]")
# {"Ada": "knight"}
_QUOTED = re.compile(r"\"([^\W\d_][\w '-]{0,80})\"\s{0,4}:\s{0,4}\"(knight|knave)\"", re.IGNORECASE)
_MARKER = re.compile(r"\bconclusion\b|<answer>|\banswer\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?;\n]")
# A sentence in which one of these comes first reports or supposes; it does not assert.
_SUPPOSED = re.compile(
    r"\b(?:if|iff|suppos\w*|assum\w*|say\w*|said|claim\w*|stat(?:e|es|ed|ing|ement|ements)|told|tells?|whether|either"
    r"|or|would|declare\w*|consider\w*|let|according|remark\w*|comment\w*|assert\w*|express\w*|mention\w*)\b",
    re.IGNORECASE,
)
_CONDITION_FOLLOWS = re.compile(r"['\"”]?\s*(?:\?|,?\s*\b(?:or|if|iff|unless)\b)", re.IGNORECASE)
# "(1) Ada is a knave" on a line of its own.
_ROLE_LINE = re.compile(
    r"^[^\w\n]{0,6}\d{1,2}[ \t]*[).:][^\w\n]{0,4}[^\W\d_][\w'-]*(?: [A-Z][\w'-]*)?"
    r"\W{1,4}(?:is\s+an?|[:=-])\W{1,4}(?:knight|knave)",
    re.IGNORECASE | re.MULTILINE,
)


class Roles(BuiltIn):
    """Every person has the right role; a person without a role makes the solution unparseable.

    Roles are read from what follows the last "conclusion", "answer" or `<answer>` after which someone gets a role,
    where two roles for one person are unparseable; without such a marker, the last role that each person gets counts.
    Suppositions and what people are quoted with count nowhere.
    """

    in_process = True

    def judge(self, answer: str, text: str) -> Said:
        """Says whether the roles are those of the answer. Raises ValueError where the answer gives none."""
        gold = gold_roles(answer)
        stated = stated_roles(self._part(text), gold)
        return compared(stated if stated and set(stated) == set(gold) else None, gold)

    def answer_start(self, text: str) -> int:
        return answers.answer_start(text, _ROLE_LINE)

    def vote(self, answer: str, text: str) -> str:
        stated = stated_roles(self._part(text), gold_roles(answer)) or {}
        return answers.without_blanks(str(sorted(stated.items())))

    def stating(self, answer: str) -> str:
        return f"Answer:\n{answer}"


def gold_roles(answer: str) -> dict[str, str]:
    """The role, "knight" or "knave", of each name. Raises ValueError where there is none, or one person has both."""
    if len(answer) > answers.MAX_CHARS:
        raise ValueError(
            f"the gold answer {answer[:80]!r} is longer than {answers.MAX_CHARS:,} characters"
        )
    roles: dict[str, str] = {}
    for name, role in _GOLD.findall(answer):
        if roles.setdefault(name, role) != role:
            raise ValueError(f"the gold answer {answer[:80]!r} calls {name} both knight and knave")
    if not 0 < len(roles) <= _MAX_PEOPLE:
        raise ValueError(
            f"the gold answer {answer[:80]!r} gives no roles; write it as '(1) Ada is a knight', a line per person"
        )
    return roles


def stated_roles(text: str, people: Mapping[str, str]) -> dict[str, str] | None:
    """The roles by name of those of `people` that get one; None where a conclusion contradicts itself."""
    text = _QUOTED.sub(r"\1: \2", re.sub(r"[*`_]", "", text))
    given = list(_statements(text, people))
    if not given:
        return {}
    last_statement = given[-1][0]
    marks = [mark for mark in _MARKER.finditer(text) if mark.end() <= last_statement]
    if not marks:
        return {name: role for _, name, role in given}
    end = text.find("</answer>", marks[-1].end()) if marks[-1].group() == "<answer>" else -1
    concluded: dict[str, str] = {}
    for position, name, role in given:
        if position < marks[-1].end() or (end != -1 and position > end):
            continue
        if concluded.setdefault(name, role) != role:
            return None
    return concluded


def _statements(text: str, people: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Every assertion, in order, as (position, name, role)."""
    spelling = {person.lower(): person for person in people}
    for found in _VERB_AND_ROLE.finditer(text):
        who, start = _names_before(text, found.start(), spelling)
        if not who or _is_supposed(text, start, found.end()):
            continue
        role = found["role"].lower()
        if found["no"]:
            role = "knave" if role == "knight" else "knight"
        # "According to Ada, Boris is a knave" speaks of Boris alone.
        for person in who if found["verb"].lower().startswith("are") else who[-1:]:
            yield start, person, role


def _names_before(text: str, end: int, spelling: Mapping[str, str]) -> tuple[list[str], int]:
    """The people named right before `end`, "Ada, Boris and Clara", and where the first of them begins.

    Each name is the longest that ends there, so that names made of other names cost no search.
    """
    lengths = sorted({len(name) for name in spelling}, reverse=True)
    who: list[str] = []
    start = position = end - _blanks_before(text, end)
    while len(who) <= _MAX_PEOPLE:
        name = next(
            (
                name
                for length in lengths
                if (name := text[max(0, position - length) : position].lower()) in spelling
                and not _INSIDE_NAME.search(text[max(0, position - length - 1) : position - length])
            ),
            None,
        )
        if name is None:
            break
        who.insert(0, spelling[name])
        start = position - len(name)
        joint = _JOINT.search(text[max(0, start - 40) : start])
        if joint is None:
            break
        position = start - len(joint.group())
    return who, start


def _blanks_before(text: str, end: int) -> int:
    before = text[max(0, end - 40) : end]
    return len(before) - len(before.rstrip())


def _is_supposed(text: str, start: int, end: int) -> bool:
    """Whether the sentence around a found role only quotes, supposes or asks."""
    window = text[max(0, start - 300) : start]
    sentence = _SENTENCE_END.split(window)[-1]
    if sentence.endswith(('"', "“")) or _SUPPOSED.search(sentence):
        return True
    return _CONDITION_FOLLOWS.match(text, end) is not None
