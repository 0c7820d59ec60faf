"""Overrides, which are what one types as key=value, and nested definitions by dotted key. Knows no Hydra."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


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
