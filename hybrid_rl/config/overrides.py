"""Overrides, which are what one types as key=value, and nested definitions by dotted key. Knows no Hydra."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_COMMA = re.compile(r",(?![^\[({]*[\])}])")
"""A comma between elements of a list, and none within an element that is a list or a group itself."""
_PLAIN = re.compile(r"""[\w./+-]*|"[^"]*"|'[^']*'""")
"""An element that needs no quotes, or has them."""


def key_of(override: str) -> str:
    """The setting, or group, that an override names."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted key; an empty group is a value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A line `key: was X, is Y` for every value in which two nested definitions differ."""
    before, after = flat(old), flat(new)
    return [
        f"{key}: was {before.get(key, 'not there')}, is {after.get(key, 'not there')}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key) or (key in before) != (key in after)
    ]


def quoted(path: Path) -> str:
    """A path as a value of an override; Hydra's grammar takes few characters unquoted."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"


def list_typed(key: str, text: str) -> str:
    """What to type for the list that `text` is meant to be: each element in quotes that Hydra's grammar wants in them.

    >>> print(list_typed("study.arms.rl", "[method=grpo, train.steps=9]"))
    'study.arms.rl=["method=grpo","train.steps=9"]'
    """
    inner = text.strip().removeprefix("[").removesuffix("]")
    elements = [one.strip() for one in _COMMA.split(inner)]
    shown = ",".join(one if _PLAIN.fullmatch(one) else _in_quotes(one) for one in elements)
    return shlex.quote(f"{key}=[{shown}]")


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
