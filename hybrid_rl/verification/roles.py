"""Verifier `roles` of Knights and Knaves: a solution must give every person the gold role.

It is cheap: no library, and time linear in the length of the part that is read.
"""

import re
from collections.abc import Iterator, Mapping

from hybrid_rl.verification import answers
from hybrid_rl.verification.verifier import BuiltIn, Said, compared

_MAX_PEOPLE = 50
_MAX_CLAUSE = 100  # characters before a role that are searched for a denial
_NAME = r"[^\W\d_a-z][\w'-]{0,40}"
_GOLD = re.compile(rf"(?<![\w'-])({_NAME}(?: {_NAME}){{0,5}}) is an? (knight|knave)\b")
_ADVERBS = (
    "indeed|therefore|thus|hence|definitely|certainly|clearly|also|actually|surely|really|truly"
)
_VERB_AND_ROLE = re.compile(
    r"(?P<verb>\b(?:is|are|must\s+(?:(?!not|never)[a-z]+\s+)?be|ha(?:s|ve)\s+to\s+be|can\s+only\s+be|turns?\s+out\s+to\s+be"
    r"|(?P<no>cannot\s+be|can't\s+be|is\s+not|isn't|are\s+not|aren't))\b|[-=]>|[:=|([\u2013\u2014-]|→|⇒)"
    rf"\s*(?:(?:{_ADVERBS})\s+)?(?:(?P<all>both|all)\s+)?(?:(?:{_ADVERBS})\s+)?"
    r"(?:an?\s+|the\s+)?[\"“]?(?:an?\s+)?(?P<role>knight|knave)s?\b(?!'s)",
    re.IGNORECASE,
)
_JOINT = re.compile(r"(?:\s*,\s*(?:and\s+)?|\s+(?:and|&)\s+)$", re.IGNORECASE)
_INSIDE_NAME = re.compile(r"[\w'-]")
# {"Ada": "knight"}
_QUOTED = re.compile(r"\"([^\W\d_][\w '-]{0,80})\"\s{0,4}:\s{0,4}\"(knight|knave)\"", re.IGNORECASE)
_MARKER = re.compile(r"\bconclusion\b|<answer>|\banswer\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?;\n]")
# A sentence in which one of these comes first reports or supposes; it does not assert.
_SUPPOSED = re.compile(
    r"\b(?:if|iff|suppos\w*|assum\w*|say\w*|said|claim\w*|stat(?:e|es|ed|ing|ement|ements)|told|tells?|whether|either"
    r"|or|would|declare\w*|consider\w*|let|according|remark\w*|comment\w*|assert\w*|express\w*|mention\w*"
    r"|thinks?|thought|believ\w*)\b",
    re.IGNORECASE,
)
# "Knights: Ada, Boris"
_ROLE_FIRST = re.compile(r"\b(?P<role>knight|knave)s?\s*(?:\b(?:is|are)\b|[:=])\s*", re.IGNORECASE)
_LIST_ENDS = re.compile(
    r"[ \t]*(?:$|[\n;.<}]|,?\s*(?:and|but|while)?\s*(?:the\s+)?(?:knight|knave)s?\b)", re.IGNORECASE
)
_NEXT_NAME = re.compile(r"\s*,\s*(?:and\s+)?|\s+(?:and|&)\s+", re.IGNORECASE)
# A clause in which one of these comes first denies or doubts.
_DENIED = re.compile(
    r"(?:n't|\b(?:not|false|untrue|wrong|incorrect|impossible|no way|doubt\w*|den(?:y|ies)|neither|nor|nobody|no one"
    r"|never|hardly|unlikely|cannot|perhaps|maybe|possibly|probably|likely|might|could))\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[,:]|\b(?:and|but|so|thus|hence|therefore|then|while|because|since)\b", re.IGNORECASE
)
# What takes a role back after it was given: another one beside it, a condition, a doubt, or somebody who said it.
_CONDITION_FOLLOWS = re.compile(
    r"['\"”]?\s{0,4}(?:\?|,?\s{0,4}\b(?:or|if|iff|unless|when|whenever|only|provided|according|(?:as\s+)?(?:says|said|claims|thinks|believes))\b"
    r"|\b(?:is|are|cannot|can't|would)\s+(?:be\s+)?(?:not|never|false|wrong|untrue|impossible|incorrect|true)\b"
    r"|\s+in\s+(?:one|some|this|that|the\s+\w+)\s+(?:case|scenario)|[ \t]{0,4}\(?[-\u2013\u2014,!]{0,4}[ \t]{0,4}"
    r"(?:(?:this|that|which)\s+is\s+)?(?:wrong|incorrect|false|un(?:certain|sure|clear|likely|known)|maybe|perhaps"
    r"|possibly|probably|if|not\s+sure)\b|[ \t]*[/|,][ \t]*(?:an?[ \t]+)?(?:knight|knave)\b(?!\s*[:=]))",
    re.IGNORECASE,
)
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
    text = _QUOTED.sub(r"\1: \2", re.sub(r"[*`_]", "", text.replace("\u2019", "'")))
    spelling = {person.lower(): person for person in people}
    given = sorted([*_statements(text, spelling), *_lists(text, spelling)])
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


def _statements(text: str, spelling: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Every assertion, in order, as (position, name, role). `spelling` gives the person of a name in lower case."""
    for found in _VERB_AND_ROLE.finditer(text):
        who, start = _names_before(text, found.start(), spelling)
        if not who or _is_supposed(text, start, found.end()):
            continue
        closing = {"(": ")", "[": "]"}.get(found["verb"], "")
        if not text.startswith(closing, found.end()):
            continue
        role = found["role"].lower()
        if found["no"]:
            if found["all"]:
                continue  # "are not both knights" leaves open which of them is none
            role = "knave" if role == "knight" else "knight"
        # "According to Ada, Boris is a knave" speaks of Boris alone.
        for person in who if found["verb"].lower().startswith("are") else who[-1:]:
            yield start, person, role


def _lists(text: str, spelling: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Every person of a list under a role, "The knights are Ada and Boris", as (position, name, role)."""
    lengths = sorted({len(name) for name in spelling}, reverse=True)
    for found in _ROLE_FIRST.finditer(text):
        who: list[str] = []
        position: int | None = found.end()
        end = found.end()
        while position is not None and len(who) <= _MAX_PEOPLE:
            name = next(
                (
                    name
                    for length in lengths
                    if (name := text[position : position + length].lower()) in spelling
                    and not _INSIDE_NAME.match(text, position + length)
                ),
                None,
            )
            if name is None:
                break
            who.append(spelling[name])
            end = position + len(name)
            joint = _NEXT_NAME.match(text, end)
            position = joint.end() if joint else None
        if _LIST_ENDS.match(text, end) and not _is_supposed(text, found.start(), end):
            for person in who:
                yield found.start(), person, found["role"].lower()


def _names_before(text: str, end: int, spelling: Mapping[str, str]) -> tuple[list[str], int]:
    """The people named right before `end`, "Ada, Boris and Clara", and where the first of them begins.

    Each name is the longest that ends there, so that names made of other names cost no search.
    """
    lengths = sorted({len(name) for name in spelling}, reverse=True)
    who: list[str] = []
    start = position = end - _blanks_before(text, end)
    if "\n" in text[position:end] and not text[end : end + 1].isalpha():
        return [], start  # a dash that begins a line belongs to none before it
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
    if _DENIED.search(_CLAUSE_END.split(sentence[-_MAX_CLAUSE:])[-1]):
        return True
    return _CONDITION_FOLLOWS.match(text, end) is not None
