"""Episodes of an expert's solution: the places where a hint may end.

BREAD (arXiv 2506.17211) says that a solution is split into about 10 episodes, sentences or paragraphs, and no more than
that. What we chose ourselves:

- Paragraphs first; lines, then sentences, join in while there are fewer pieces than wanted.
- Never inside a formula, a LaTeX environment or a code fence.
- Pieces are merged until their token counts are nearly equal.
- The statement of the answer belongs to no episode, so no hint gives it away and the last episode
  is always left for the student to find.
- Hints are cuts of the token ids. Where a token holds text of both sides there is no cut: encoding
  the text of the hint instead would give ids that the student never produces.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from hybrid_rl.types import Trace

Span = tuple[int, int]

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_LINE = re.compile(r"\n\s*")
# A stop, closing quotes or marks, a gap, and no small letter; or a CJK stop, which needs no gap.
_SENTENCE = re.compile(r"[.!?][\"')\]*_]*\s+(?=[^\sa-z])|[。！？]\s*(?=\S)")  # noqa: RUF001
_NO_SENTENCE_END = re.compile(
    r"(?:(?:^|\s|\()(?:e\.g|i\.e|cf|eq|fig|no|vs|dr|mr|mrs|ms|st|[A-Z])|(?:^|\n)\s*\(?\d{1,3})\.$",
    re.IGNORECASE,
)
_OPENING = re.compile(r"```|\\begin\b|(?<!\\)\\[\[(]|(?<!\\)\$\$?")
_CLOSING = {"```": "```", "\\[": "\\]", "\\(": "\\)", "$$": "$$"}
# As pandoc tells a formula from money: no gap inside the marks, no digit after them, no empty line.
_INLINE_FORMULA = re.compile(r"\$(?=\S)(?:\\.|(?!\n\s*\n)[^$\\])+(?<=\S)\$(?!\d)", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(begin|end)\b(?:\s*\{[^}]*\})?")


def protected_spans(text: str) -> list[Span]:
    """The spans in which no episode may end: formulas, environments and code fences, outermost ones only."""
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


def boundaries(body: str, pattern: re.Pattern[str], protected: Sequence[Span]) -> Iterator[int]:
    """The places in characters where an episode may begin: behind a match of `pattern`, outside of protected spans."""
    for match in pattern.finditer(body):
        if any(first < match.end() < last for first, last in protected):
            continue
        if pattern is _SENTENCE and _NO_SENTENCE_END.search(
            body[max(0, match.start() - 15) : match.start() + 1]
        ):
            continue
        yield match.end()


def token_cut(trace: Trace, boundary: int) -> int | None:
    """The number of tokens before the character `boundary`; None when a token lies on both sides.

    White space at the boundary may belong to either side or, with some tokenizers, to no token.
    """
    cut = bisect_right(trace.ends, boundary)
    if cut == 0 or trace.text[trace.ends[cut - 1] : boundary].strip():
        return None
    return cut


def episode_cuts(trace: Trace, episodes: int) -> tuple[int, ...]:
    """The lengths in tokens of the hints P_1 .. P_(K-1), increasing, with K <= `episodes`.

    Empty when the solution has no place to cut.
    """
    protected = protected_spans(trace.text)
    body = trace.text[: trace.answer_start].rstrip()
    found: set[int] = set()
    for pattern in (_PARAGRAPH, _LINE, _SENTENCE):
        cuts = (token_cut(trace, boundary) for boundary in boundaries(body, pattern, protected))
        found.update(cut for cut in cuts if cut is not None)
        if len(found) + 1 >= episodes:
            break
    total = bisect_right(trace.ends, trace.answer_start)
    return nearly_equal(sorted(found), total, episodes)


def nearly_equal(cuts: Sequence[int], total: int, episodes: int) -> tuple[int, ...]:
    """Those of `cuts` (increasing) that best part `total` tokens into `episodes` equal shares.

    All of them when there are too few for a choice.
    """
    wanted = episodes - 1
    if len(cuts) <= wanted:
        return tuple(cuts)
    chosen = []
    first = 0
    for share in range(1, episodes):
        # Each later share keeps at least one cut to choose from.
        last = len(cuts) - (wanted - share)
        target = total * share / episodes
        best = min(range(first, last), key=lambda index: abs(cuts[index] - target))
        chosen.append(cuts[best])
        first = best + 1
    return tuple(chosen)


def shows_answer(prefix_text: str, answer: str) -> bool:
    """Whether the gold answer stands in the prefix as a word of its own, by chance or not."""
    return bool(re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", prefix_text))
