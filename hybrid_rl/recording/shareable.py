"""What of a run may be shown elsewhere: secrets are hidden, and of a path on this machine its last name is left."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HIDDEN = "(hidden)"
_SECRET = re.compile(r"(api|access|hub|hf|auth)_?(key|token)|password|secret|credential", re.I)
_TOKEN = re.compile(
    r"\b(hf|sk|gh[opsu])[_-][\w-]{16,}"
)  # tokens of services that say what they are
# Where a path may begin in an override: at its start, behind = or :, and within lists, groups and quotes.
_TYPED_PATH = re.compile(
    r"(?<![^\s=:,\[{(\"'])(?<!https:)(?<!http:)(?:file://)?(?:~\w*)?/(?=\S)[^,\]}\"']*"
)


def without_secrets(value: Any) -> Any:
    """The same JSON value, with what stands under the name of a secret, or looks like one, hidden."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if item is not None and _SECRET.search(key) else without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return _TOKEN.sub(HIDDEN, value) if isinstance(value, str) else value


def without_paths(value: Any) -> Any:
    """The same JSON value, in which a text that is an absolute path is `.../NAME`."""
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    if isinstance(value, str) and (value.startswith("~") or Path(value).is_absolute()):
        return _last_name(value)
    return value


def command_lines(typed: str, left_out: Sequence[str] = ()) -> list[str]:
    """Command lines as others may see them: without the overrides of these keys or groups, secrets and paths.

    A quoted value may hold newlines, so a command may be longer than a line of `typed`.
    """
    shown, waiting = [], ""
    for line in typed.splitlines():
        waiting += line
        try:
            words = shlex.split(waiting)
        except ValueError:  # within quotes
            waiting += "\n"
            continue
        shown.append(shlex.join(_shown(word) for word in words if _root(word) not in left_out))
        waiting = ""
    return shown


def _root(word: str) -> str:
    """The group, or the setting without a group, that an override names."""
    return re.split(r"[.=@/]", word.lstrip("+~"), maxsplit=1)[0]


def _shown(word: str) -> str:
    """An override whose key, or any key within its value, may be that of a secret."""
    key, equals, value = word.partition("=")
    if equals and _SECRET.search(key):
        return f"{key}={HIDDEN}"
    within = re.compile(rf"(\w*(?:{_SECRET.pattern})\w*[\"']?\s*[:=]\s*)[^,}}\]]+", re.I)
    value = within.sub(rf"\g<1>{HIDDEN}", value)
    return _TYPED_PATH.sub(
        lambda found: _last_name(found[0]), _TOKEN.sub(HIDDEN, key + equals + value)
    )


def _last_name(path: str) -> str:
    return f".../{path.rstrip('/').rpartition('/')[2]}"
