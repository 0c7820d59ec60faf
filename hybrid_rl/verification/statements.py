r"""What a solution states as its answer: one reader of every mark, for all verifiers of mathematics.

Marks are \boxed{}, `####`, `<answer>`, "the answer is", "Final answer:", a heading, and what stands after them may be
display math on lines of its own. It knows no gold answer and does not say what a statement means. Time is linear in the
length of the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from hybrid_rl.verification import answers, notation
from hybrid_rl.verification.answers import ANSWER_IS, MAX_STATEMENTS
from hybrid_rl.verification.taken_back import is_taken_back

MAX_STATEMENT = 1_000
"""A longer statement of an answer, in characters, is not read."""

_BARE_BOX = re.compile(r"\\(?:boxed|fbox)\s*(\\[A-Za-z]+|[^\s{}\\$])")
_HASHES = re.compile(r"####(?!#)")
_TAG = re.compile(r"<answer>", re.IGNORECASE)
# A box is followed by another one: "\boxed{1} and $x=\boxed{2}".
_LINK = re.compile(
    r"(?:[\s,;.$]|\\[()\[\]]|\b(?:and|or)\b|\\(?:text|quad|,|;)|\{|\}|\b[A-Za-z]\s*=)*"
)
# What belongs to a box although it stands behind it: a scale, a power, a root, another value, that it is wrong.
_AFTER_BOX = re.compile(
    r"[\s$]*+(?:\\[)\]]\s*+)?((?:hundred|thousand|million|billion|trillion|dozen)s?\b|(?:or|to)\s+\$?[0-9][^\n.]*"
    r"|(?:\\times|\\cdot|\u00d7|\*|x)\s*10\s*\^\s*(?:\{[^{}]*\}|[0-9])|\^\s*(?:\{\s*[0-9]+\s*\}|[0-9])"
    r"|\\sqrt\s*(?:\{[^{}]*\}|[0-9])|\\pi\b|!(?=\s*[$\\])|(?:\(\s*(?:this\s+|that\s+|which\s+)?)?is\s+(?:not|wrong|incorrect|false)\b|\(\s*(?:wrong|incorrect)\b)"
)
# "not \boxed{5}", "it is not true that x = \boxed{5}"
_DENIES_BOX = re.compile(
    r"(?:\\neq?|\u2260|\b(?:not|never|isn't|cannot\s+be|can't\s+be)(?:\s+(?:be|equal(?:\s+to)?))?)\s*[$({]*\s*$"
    r"|\b(?:not|incorrect|wrong|false|untrue|doubt\w*)\s+(?:\w+\s+)?that\s[^.,;\n]{0,60}$",
    re.IGNORECASE,
)
# "but it could just as well be \boxed{6}"
_HEDGES_BOX = re.compile(
    r"\b(?:(?:could|might|may)\s+(?:\w+\s+){0,4}be|maybe|perhaps|possibly|alternatively,?)\s*[$({]*\s*$",
    re.IGNORECASE,
)
_ASKED = re.compile(r"[\s$)]*(?:\\[)\]]\s*)?\?")
_NOT_BUT = re.compile(  # "The answer is not 5 but 6"
    r"\b(?:is\s+not|isn't)\s+\S{1,20}(?:\s+[a-z]{3,15})?,?\s+but\s+(?:rather\s+|instead\s+)?(?=[-$\\0-9(A-Z])"
)
_NUMBERED = re.compile(r"1[.)]\s+[^\n]{1,300}\n\s*2[.)]\s")
_OTHER = re.compile(
    r"\b(?:another|other|second|alternative)\s+(?:possible\s+|valid\s+|correct\s+)?$", re.IGNORECASE
)
_DISPLAYS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"))
_DISPLAY_ENVIRONMENT = re.compile(r"\\begin\s*\{((?:align|equation|gather|multline)(?:ed)?\*?)\}")
_LEAD = re.compile(r"(?:[ \t\r\n*_:]|(?<=\n)>)*")  # ">" begins a line that is quoted
_HEADING = re.compile(
    r"\s*(?:[0-9]{1,2}[.):]\s+\D|(?:step|part|case|problem|question)\s+[0-9])", re.I
)
# Tokens of a chat template, which end what they stand behind.
_SPECIAL = r"<\|[A-Za-z_]{2,30}\|>|</s>|<eos>|<end_of_turn>"
_SENTENCE_END = re.compile(
    rf"(?:[,;(]\s?)?\b(?:i\.e|e\.g|viz)\.|(?<!\.)(?<!\bRs)[.](?=\s|$)|!(?=\s+[A-Z])|\?(?=\s|$)|\n|{_SPECIAL}"
)
# A clause that goes on with "the answer is" without claiming it: a condition, a doubt, what is wrong.
_UNCLAIMED = re.compile(
    r"\b(?:if|whether|suppos\w+|assum\w+|imagin\w+|doubt\w*|wrong|incorrect|false|untrue|invalid|impossible"
    r"|unlikely|mistaken\w*|nobody|no one|none|neither"
    r"|(?:not|never|cannot|can't|don't|doesn't|didn't|isn't)\s+(?:\w+\s+)?"
    r"(?:think|believe|say|claim|mean|true|the case|correct|right|possible|likely|know|sure|certain|clear|show|prove"
    r"|accept|agree|conclude|that|the|our|my|an)"
    r"|(?:might|may|could|would|can)\s+(?:\w+\s+)?(?:think|say|guess|believe|argue|assume|expect|suspect|wonder|ask))"
    r"\b",
    re.IGNORECASE,
)
_NO_DOUBT = re.compile(r"\b(?:no|without(?: a| any)?|beyond) doubt\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[.,;:!?\n]|\b(?:and|but|(?<!if )so|then|thus|hence|therefore|because|since)\b", re.IGNORECASE
)
_INLINE = re.compile(
    r"(?<!\\)\$(?!\$)((?:[^$\\]|\\.)+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]|\$\$(.+?)\$\$", re.S
)
_PROSE = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{3,}(?![^{]*\})")
_NUMERAL = re.compile(r"[0-9\\^_=<>|]|(?:^|\W)[A-Za-z](?:\W|$)")


@dataclass(frozen=True)
class Statement:
    """One statement of an answer, in the spelling of `notation.plain`."""

    parts: tuple[str, ...]
    """What it states; several where one box follows another."""
    bare_words: bool = False
    """Whether it has no number, sign or letter of mathematics: the name of a heading, or an answer in words."""
    decides: bool = True
    """Whether no earlier statement counts where this one cannot be read."""

    @property
    def text(self) -> str:
        """The parts as a list."""
        return ", ".join(self.parts)


def statements(text: str) -> Iterator[Statement]:
    r"""The statements, the one that counts first: marks alone (box, ####, tag) from the last on, then sentences."""
    marked = sorted(_marked(text), key=lambda one: one[0], reverse=True)
    if marked and is_taken_back(said := text[marked[0][0] :]):
        yield next(_sentences(said), Statement(("",)))
        return
    for _, statement in marked:
        yield statement
    if all(statement.bare_words for _, statement in marked):
        yield from _sentences(text)


def _sentences(text: str) -> Iterator[Statement]:
    """The statements of sentences and headings that announce an answer, the last one first."""
    text = _NOT_BUT.sub("is ", text)
    for found in reversed(list(ANSWER_IS.finditer(text))[-MAX_STATEMENTS:]):
        before = text[max(0, found.start() - 200) : found.start()]
        if _is_unclaimed(before):
            continue
        if _OTHER.search(before):
            yield Statement(("",))  # "Another answer is 6": not the answer alone
            return
        claim = _claim(text[found.end() : found.end() + 2 * MAX_STATEMENT])
        if claim is not None:
            yield Statement(("",)) if is_taken_back(text[found.end() :]) else claim


def _is_unclaimed(before: str) -> bool:
    """Whether the clause that ends here takes back what follows: "I doubt that", "If", "A common wrong"."""
    clause = _NO_DOUBT.sub(" ", _CLAUSE.split(before)[-1])
    return _UNCLAIMED.search(clause) is not None


def of_answer(answer: str) -> Statement:
    """The statement that a gold answer is: what it marks itself, or else all of it."""
    found = next((one for one in statements(answer) if not one.bare_words), None)
    return found or Statement((spelled(answer.strip()),))


def last_formula(text: str) -> str | None:
    """The last formula between dollars or their like, where no word comes after it; for texts without a mark."""
    found = list(_INLINE.finditer(text[-2 * MAX_STATEMENT :]))
    return spelled(found[-1].group()) if found else None


def spelled(written: str) -> str:
    """A statement in the one spelling, without the signs that begin and end mathematics."""
    return notation.plain(_undelimited(written)).strip()


def _marked(text: str) -> Iterator[tuple[int, Statement]]:
    """The statements that a box, `####` or a tag makes, each with its position."""
    if "box" in text and (boxes := _boxes(text)) is not None:
        yield boxes
    for found in list(_HASHES.finditer(text))[-MAX_STATEMENTS:]:
        rest = text[found.end() : found.end() + 2 * MAX_STATEMENT]
        line = rest.lstrip(" \t*_").partition("\n")[0]
        statement = _claim(rest)
        if statement is None or _HEADING.match(line):
            continue
        if statement.bare_words and text[found.end() :].strip().count("\n") > 0:
            continue  # words with more text below them are a heading
        yield found.start(), statement
    for found in list(_TAG.finditer(text))[-MAX_STATEMENTS:]:
        inside = text[found.end() : found.end() + 2 * MAX_STATEMENT]
        statement = _claim(inside.partition("</answer>")[0].strip())
        if statement is not None:
            yield found.start(), statement


def _boxes(text: str) -> tuple[int, Statement] | None:
    r"""The last \boxed{} that holds something, with those that it is joined to."""
    every = [span for span in answers.boxed_spans(text) if text[span].strip(" }\n")]
    spans = [span for span in every if not _is_denied(text, span)]
    bare = list(_BARE_BOX.finditer(text))
    if bare and (not spans or bare[-1].start() > spans[-1].start):
        return bare[-1].start(), Statement((spelled(bare[-1][1]),))
    if not spans:
        return (every[-1].start, Statement(("",))) if every else None
    # Where each box's own command begins.
    starts = {span.start: text.rfind("\\", 0, span.start - 1) for span in spans}
    chain = [spans[-1]]
    for span in reversed(spans[:-1]):
        first = starts[chain[0].start]
        between = text[span.stop : first]
        if span.stop > first or len(between) > 40 or not _LINK.fullmatch(between):
            break
        chain.insert(0, span)
    if sum(span.stop - span.start for span in chain) > MAX_STATEMENT:
        return starts[chain[-1].start], Statement(("",))
    parts = [_inner_claim(text[span.start : span.stop - 1]) for span in chain]
    first, last = starts[chain[0].start], chain[-1].stop
    if re.search(r"(?:^|[=$({\s])[-\u2212]$", text[max(0, first - 2) : first]):
        parts[0] = f"-{parts[0]}"
    more = _AFTER_BOX.match(text, last)
    before = text[max(0, first - 80) : first]
    if _HEDGES_BOX.search(before) or (more is not None and more[1].startswith(("is", "("))):
        return starts[chain[-1].start], Statement(("",))  # taken back, or not decided
    if more is not None:
        parts[-1] = f"{parts[-1]} {more[1]}"
    # "\boxed{5} ... \boxed{5}": one answer, boxed twice.
    parts = [part for part, _ in groupby(parts)]
    return starts[chain[-1].start], _classified(parts)


def _is_denied(text: str, span: slice) -> bool:
    r"""Whether a box is denied before it or asked for: "not \boxed{5}", "x \neq \boxed{5}", "is it \boxed{5}?"."""
    before = text[
        max(0, text.rfind("\\", 0, span.start - 1) - 100) : text.rfind("\\", 0, span.start - 1)
    ]
    return _DENIES_BOX.search(before) is not None or _ASKED.match(text, span.stop) is not None


def _claim(rest: str) -> Statement | None:
    """The statement at the beginning of what follows a mark; None where there is none, or it is a question."""
    rest = _beyond_lead(rest)
    while found := ANSWER_IS.match(_without_article(rest)):
        rest = _beyond_lead(_without_article(rest)[found.end() :])
    for opening, closing in _DISPLAYS:
        if rest.startswith(opening):
            inside, closed, after = rest[len(opening) :].partition(closing)
            if closed and (
                opening != "\\(" and not after.strip(" ,.").startswith(("and", "or", opening))
            ):
                return _classified([spelled(inside)])
    if (environment := _DISPLAY_ENVIRONMENT.match(rest)) is not None:
        inside = rest[environment.end() :].partition(f"\\end{{{environment[1]}}}")[0]
        return _classified([spelled(inside.replace("&", " "))])
    if _NUMBERED.match(rest):
        return Statement(("",))  # a list of several things
    sentence, end = _sentence(rest)
    sentence = sentence.strip().removesuffix("</answer>")
    if not sentence.strip(" *_:#") or end == "?" or len(sentence) > MAX_STATEMENT:
        return None
    return _classified([_inner_claim(sentence)])


def _beyond_lead(rest: str) -> str:
    """`rest` without blanks and the marks of emphasis and quotation that begin it."""
    return rest[_LEAD.match(rest).end() :]  # type: ignore[union-attr]  # it always matches


def _inner_claim(written: str) -> str:
    """A statement without a mark inside: "The answer is 5" in a box is 5."""
    text = spelled(written)
    found = ANSWER_IS.match(_without_article(text))
    return text if found is None else _without_article(text)[found.end() :].strip()


def _without_article(text: str) -> str:
    """`text` without words that lead to "answer is": "So the final answer is"."""
    return (
        re.sub(
            r"^(?:(?:so|thus|hence|therefore|the|our|my|final|correct|is|,)\s*,?\s+){0,6}(?=answers?\b)",
            "",
            text[:200],
            flags=re.IGNORECASE,
        )
        + text[200:]
    )


def _sentence(rest: str) -> tuple[str, str]:
    """The first sentence or line of `rest`, and the mark that ends it. What ends inside of a formula does not count."""
    formulas = [found.span() for found in _INLINE.finditer(rest)] if _is_math(rest) else []
    for end in _SENTENCE_END.finditer(rest):
        if not any(start <= end.start() < stop for start, stop in formulas):
            return rest[: end.start()], end.group()
    return rest, ""


def _is_math(text: str) -> bool:
    """Whether dollars in the first line enclose formulas; else they are a currency: "$3 and $5", "$9500."."""
    line = (
        text.partition("\n")[0]
        if text.count("$", 0, text.find("\n") if "\n" in text else None)
        else text
    )
    if len(re.findall(r"(?<!\\)\$", line)) % 2:
        return "$$" in line
    return not any(found[1] and _PROSE.search(found[1]) for found in _INLINE.finditer(line))


def _undelimited(written: str) -> str:
    r"""A statement without $, \( and their like. A dollar that encloses nothing is a currency."""
    written = re.sub(r"(?<!\\)\\[()\[\]]", " ", written)
    if "$" not in written:
        return written
    if "$$" in written or _is_math(written):
        return re.sub(r"(?<!\\)\$", " ", written)
    return re.sub(r"(?<!\\)\$", r"\\$", written)


def _classified(parts: list[str]) -> Statement:
    kept = tuple(part.strip() for part in parts)
    return Statement(kept, bare_words=not any(_NUMERAL.search(part) for part in kept))
