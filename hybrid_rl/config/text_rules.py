"""Rules of settings that are text: what cannot be written as UTF-8, and line breaks that were typed as two characters.

A shell hands on backslash and n as they are, and so does Hydra; such a template would be trained on.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hybrid_rl.config.overrides import flat
from hybrid_rl.config.settings import Settings

_UNTYPED = ("trl.", "hardware.deepspeed.")
"""Sections with whatever another library takes."""
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
"""What Jinja2 reads by its own rules, in which a break within quotes may be written so."""
# The commands of LaTeX that begin with n, without it.
_LATEX = (
    "abla|atural|e|earrow|eg|eq|ewcommand|ewline|ewpage|exists|i|leq|less|geq|gtr|mid|ode|oindent|olimits|onumber|"
    "ormalsize|ot|otag|otin|parallel|prec|sim|subseteq|succ|supseteq|u|um|warrow"
)
_TYPED_BREAK = re.compile(rf"(?<!\\)\\n(?!(?:{_LATEX})(?![A-Za-z]))")


def unwritable(values: Any, name: str = "") -> Iterator[str]:
    """What settings.json cannot hold, as lines; numbers that are not finite only where the schema lets them pass."""
    if isinstance(values, Mapping | list):
        pairs = values.items() if isinstance(values, Mapping) else enumerate(values)
        for key, value in pairs:
            yield from unwritable(str(key), f"a key in {name or 'the settings'}")
            yield from unwritable(value, f"{name}.{key}" if name else str(key))
    elif isinstance(values, str):
        if "\0" in values or values.encode(errors="replace") != values.encode(
            errors="surrogatepass"
        ):
            yield f"{name} = {ascii(values)[:60]}: has a byte that is no text in UTF-8; write it again"
    elif isinstance(values, float) and not math.isfinite(values) and name.startswith(_UNTYPED):
        yield f"{name} = {values}: must be a finite number; e.g. {name}=0.5"


def problems(settings: Settings) -> Iterator[str]:
    """Every text that cannot be what was meant, as a line `setting = value: rule; remedy`."""
    yield from _typed_breaks(settings)


def _typed_breaks(settings: Settings) -> Iterator[str]:
    data = settings.data
    columns = {"data.columns": data.columns}
    columns |= {f"data.test_columns.{name}": one for name, one in data.test_columns.items()}
    texts: dict[str, str | None] = {
        "data.system": data.system,
        "data.instruction": data.instruction,
        "model.chat_template": settings.model.chat_template,
    }
    texts |= flat({name: one.model_dump() for name, one in columns.items()})
    for name, text in texts.items():
        plain = _EXPRESSION.sub("", text or "")
        if (found := _TYPED_BREAK.search(plain)) is not None:
            near = plain[max(0, found.start() - 12) : found.end() + 12]
            yield (
                f"{name} = ...{near}...: has a backslash and n where a line break is meant; in bash type"
                f" $'{name}=\"...\\n...\"', which has a real one"
            )
