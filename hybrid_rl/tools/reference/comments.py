"""The comments of the files in conf/: what a file is, and what stands beside a value.

Only the way in which those files are written is understood: two blanks a level, `key: value  # comment`, and lines of a
comment alone that go on with the one above.
"""

import re
from pathlib import Path

_VALUE = re.compile(r"^(?P<indent> *)(?P<key>[\w]+):(?P<rest>.*)$")
_COMMENT = re.compile(r"(?:^|\s)#\s+(?P<text>.*)$")


def head(file: Path) -> str:
    """The first sentence of the comment that opens a file."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    text = " ".join(line for line in lines if not line.startswith("@package"))
    return re.split(r"(?<=[.!?)])\s+(?=[A-Z])|\s(?=hybrid-rl )", text)[0].removesuffix(":")


def beside_values(text: str) -> dict[str, str]:
    """Dotted key -> the comment behind its value, with the lines that go on with it."""
    found: dict[str, str] = {}
    path: list[str] = []
    last: str | None = None
    for line in text.splitlines():
        value = _VALUE.match(line)
        if value is not None:
            path = [*path[: len(value["indent"]) // 2], value["key"]]
            comment = _COMMENT.search(_unquoted(value["rest"]))
            last = ".".join(path)
            if comment is not None:
                found[last] = value["rest"][comment.start("text") :]
        elif last in found and re.match(r"^ {8,}#\s", line):
            found[last] += " " + line.lstrip(" #")
        else:
            last = None
    return found


def _unquoted(text: str) -> str:
    """The text with what stands in quotes blanked out, so that a # in it begins no comment; of the same length."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", lambda quoted: "x" * len(quoted[0]), text)
