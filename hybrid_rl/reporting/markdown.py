"""How numbers and text look in reports."""

import re
from collections.abc import Iterable, Sequence

from hybrid_rl.evaluation.statistics import Interval

_SHOWN_CHARACTERS = 1200


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    cells = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def between(interval: Interval | None) -> str:
    """`0.500 [0.400, 0.600]`, or `-` for none."""
    if interval is None:
        return "-"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def amount(axis: str, value: float) -> str:
    """A number of a budget axis, as a person reads it."""
    return f"{value:.2e}" if axis == "flops" else f"{value:,.0f}"


def fenced(text: str) -> list[str]:
    """A code block, whatever is in the text; a long text is cut and says so."""
    if len(text) > _SHOWN_CHARACTERS:
        left = len(text) - _SHOWN_CHARACTERS
        text = f"{text[:_SHOWN_CHARACTERS]}... ({left:,} more characters)"
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *text.splitlines(), fence]
