"""The documents of the project as texts: README.md and all of docs/, with the files and commands that they show."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.fakes.places import ROOT

PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
"""The text of every page by its path."""


class Block(NamedTuple):
    """A fenced block: the words behind its fence, such as `python my_reward.py` or `bash run`, and its content."""

    words: tuple[str, ...]
    content: str


def blocks(text: str) -> Iterator[Block]:
    """All fenced blocks of a page."""
    for words, content in re.findall(r"^```([^\n`]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(tuple(words.split()), content)


def files(text: str) -> dict[str, str]:
    """The files that a page shows, by name: blocks whose language is followed by one."""
    return {
        block.words[1]: block.content
        for block in blocks(text)
        if len(block.words) == 2 and block.words[0] in ("python", "yaml", "json")
    }


def commands(text: str, *words: str) -> str:
    """The commands of all blocks `bash run`, or of those with more words behind that."""
    return "".join(
        block.content for block in blocks(text) if block.words == ("bash", "run", *words)
    )


def write(found: dict[str, str], directory: Path) -> None:
    """Writes files as a reader would."""
    for name, content in found.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
