"""The look of numbers and text in Markdown reports. This file knows no run."""

import re
from collections.abc import Iterable, Mapping, Sequence

from hybrid_rl.evaluation.statistics import Interval

_SHOWN_CHARACTERS = 1200
_UNITS = (
    *((1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T")),
    *((1e9, "G"), (1e6, "M"), (1e3, "k")),
)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, none without a row; cells are plain text."""
    if not (rows := list(rows)):
        return []
    cells = [columns, ["---"] * len(columns), *rows]
    return [
        "| " + " | ".join(plain(cell).replace("|", "\\|") for cell in row) + " |" for row in cells
    ]


def plain(text: str) -> str:
    """Text that shows as itself, in one line: no tag, link or picture in it is one to Markdown."""
    return _TAG.sub("&lt;", " ".join(text.splitlines())).replace("](", "]\\(")


def between(interval: Interval | None) -> str:
    """An estimate with its bounds as `0.500 [0.400, 0.600]`, or `-` for None."""
    if interval is None:
        return "-"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def amount(value: float) -> str:
    """A number on a budget axis, as a person reads it: in full below ten thousand, else as `24.4 M` or `1.2 P`."""
    for unit, name in _UNITS:
        if value >= max(unit * 0.9995, 9999.5):
            return f"{float(f'{value / unit:.3g}'):g} {name}"
    return f"{value:,.0f}"


def section(title: str, lines: Iterable[str]) -> list[str]:
    """The lines under a heading; nothing where there are none."""
    return [f"## {title}", "", *found] if (found := list(lines)) else []


def joined(sections: Iterable[Sequence[str]]) -> str:
    """The text of a page from the lines of its sections; empty ones are left out."""
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def explained(words: Mapping[str, str]) -> list[str]:
    """The last section of a report, which says what its words mean."""
    return section("What the words mean", (f"- **{word}**: {text}" for word, text in words.items()))


def code(text: str) -> str:
    """A text in a line as code, which no backtick in it ends early."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    if not longest:
        return f"`{' '.join(text.splitlines())}`"
    return f"{'`' * (longest + 1)} {' '.join(text.splitlines())} {'`' * (longest + 1)}"


def fenced(text: str, language: str = "text", most: int | None = _SHOWN_CHARACTERS) -> list[str]:
    """A code block that no text can end early; one of more than `most` characters is cut, and the block says so."""
    if most is not None and len(text) > most:
        left = len(text) - most
        text = f"{text[:most]}... ({left:,} more characters)"
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *text.splitlines(), fence]
