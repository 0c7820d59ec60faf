"""Rules of settings that are text: what cannot be written as UTF-8, and line breaks that were typed as two characters.

A shell hands on backslash and n as they are, and so does Hydra; such a template would be trained on.
"""

import re
from collections.abc import Iterator

from hybrid_rl.config.overrides import flat
from hybrid_rl.config.settings import Settings

_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
"""What Jinja2 reads by its own rules, in which a break within quotes may be written so."""
# The commands of LaTeX that begin with n, without it.
_LATEX = (
    "abla|atural|e|earrow|eg|eq|ewcommand|ewline|ewpage|exists|i|leq|less|geq|gtr|mid|ode|oindent|olimits|onumber|"
    "ormalsize|ot|otag|otin|parallel|prec|sim|subseteq|succ|supseteq|u|um|warrow"
)
_TYPED_BREAK = re.compile(rf"(?<!\\)\\n(?!(?:{_LATEX})(?![A-Za-z]))")


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
