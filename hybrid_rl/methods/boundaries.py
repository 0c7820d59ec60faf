"""Places in the text of a solution where an episode may end, one function for each kind, and spans where it never may.

BREAD (arXiv 2506.17211) speaks of sentences and paragraphs. The other kinds, and all rules here, are our choice.
Places are counted in characters, each behind the white space that it follows. Knows no tokens.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from hybrid_rl.methods.calculations import MARK, Calculation

Span = tuple[int, int]

_CLOSERS = r"\"'”’»)\]*_"  # noqa: RUF001
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_LINE = re.compile(r"\n\s*")
# A stop, closing quotes or marks, a gap, and no small letter; or a CJK stop, which needs no gap.
_SENTENCE = re.compile(rf"[.!?][{_CLOSERS}]*\s+(?=[^\sa-z])|[。！？][」』”’）]*\s*(?=\S)")  # noqa: RUF001
_NO_SENTENCE_END = re.compile(
    r"(?:(?:^|\s|\()(?:e\.g|i\.e|cf|eq|fig|no|vs|dr|mr|mrs|ms|st|[A-Z])|(?:^|\n)\s*\(?\d{1,3})\.$",
    re.IGNORECASE,
)

_CONJUNCTIONS = (
    "because|since|but|while|whereas|although|therefore|thus|hence|then|if|when"
    r"|so(?!\s+(?:much|many|far))|and\s+(?:he|she|it|they|we|you|I|there|then|so)"
)
_CLAUSE = re.compile(
    rf"(?<!e\.g\.)(?<!i\.e\.)(?:(?<!\d)(?<!\d )[,;:]|[,;:](?!\s*\d))[{_CLOSERS}]*\s+(?=\S)"
    r"|(?:(?<!\d)[，、；：]|[，、；：](?!\d))\s*(?=\S)"  # noqa: RUF001
    rf"|\s+(?=(?:{_CONJUNCTIONS})\s)"
)
_BRACKETS = re.compile(r"\([^()\n]*\)|（[^（）\n]*）")  # noqa: RUF001

_OPENING = re.compile(rf"```|\\begin\b|(?<!\\)\\[\[(]|(?<!\\)\$\$?|\[asy\]|{MARK}")
_CLOSING = {"```": "```", "\\[": "\\]", "\\(": "\\)", "$$": "$$", "[asy]": "[/asy]"}
# As pandoc tells a formula from money: no gap inside the marks, no digit after them, no empty line.
_INLINE_FORMULA = re.compile(r"\$(?=\S)(?:\\.|(?!\n\s*\n)[^$\\])+(?<=\S)\$(?!\d)", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(begin|end)\b(?:\s*\{[^}]*\})?")


def protected_spans(text: str) -> list[Span]:
    """The spans in which no episode may end, outermost ones only: formulas, environments, figures, code, marks."""
    spans = []
    position = 0
    while opening := _OPENING.search(text, position):
        end = _closing(text, opening)
        if end is None:
            position = opening.end()
        else:
            spans.append((opening.start(), end))
            position = end
    return spans


def _closing(text: str, opening: re.Match[str]) -> int | None:
    """The place where the span that starts with `opening` ends; None when nothing closes it."""
    mark = opening.group()
    if mark.startswith("<<"):
        return opening.end()
    if mark == "$":
        formula = _INLINE_FORMULA.match(text, opening.start())
        return formula.end() if formula else None
    if mark == "\\begin":
        depth = 0
        for edge in _ENVIRONMENT.finditer(text, opening.start()):
            depth += 1 if edge.group(1) == "begin" else -1
            if depth == 0:
                return edge.end()
        return None
    end = text.find(_CLOSING[mark], opening.end())
    if end < 0:
        # An open fence runs to the end, as in Markdown; an open bracket is a slip of the pen.
        return len(text) if mark == "```" else None
    return end + len(_CLOSING[mark])


def around(sums: Iterable[Calculation], text: str) -> Iterator[int]:
    """The places before and behind calculations; not before an equals sign, which would leave its left side alone."""
    for one in sums:
        if text[one.start] not in "=≈":
            yield one.start
        yield one.end


def outside(places: Iterable[int], spans: Sequence[Span]) -> Iterator[int]:
    """Those of `places` that lie in none of `spans`; their edges count as outside."""
    return (place for place in places if not any(first < place < last for first, last in spans))


def paragraphs(text: str) -> Iterator[int]:
    """The places behind empty lines."""
    return (gap.end() for gap in _PARAGRAPH.finditer(text))


def lines(text: str) -> Iterator[int]:
    """The places behind line breaks."""
    return (gap.end() for gap in _LINE.finditer(text))


def sentences(text: str) -> Iterator[int]:
    """The places behind sentences; a stop after an abbreviation, an initial or the number in a list ends none."""
    for stop in _SENTENCE.finditer(text):
        if not _NO_SENTENCE_END.search(text[max(0, stop.start() - 15) : stop.start() + 1]):
            yield stop.end()


def clauses(text: str) -> Iterator[int]:
    """The places behind commas, semicolons and colons, and before English conjunctions.

    None lies in brackets, nor between two digits. A bare "and" or "or" may join two words or a number, so it is none.
    """
    brackets = [found.span() for found in _BRACKETS.finditer(text)]
    return outside((gap.end() for gap in _CLAUSE.finditer(text)), brackets)
