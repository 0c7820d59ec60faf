"""The reference of all settings as Markdown: for each its type, limits, default and meaning, and the options of groups.

Types, limits and meanings come from the schema, defaults from conf/, where also stands why a method's value is what it
is. The table of a method stands on the method's own page where that has a place for it, and else in the reference.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hybrid_rl.config.composing import config_dir, primary_values, written
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.study import StudySettings
from hybrid_rl.config.trl_options import TrlOptions
from hybrid_rl.methods.lookup import method_class, settings_class
from hybrid_rl.tools.reference.comments import beside_values, head
from hybrid_rl.tools.reference.kinds import in_words, sections, tag

_HEAD = """\
# Settings

`make docs` makes this page from the code. It has every setting with its type, its limits, its default and what it
means. Type `setting=value` to change one, and `group=option` to take another file of `conf/group/`. `null` is typed as
it stands; a value with blanks or braces goes into quotes, as in `'data.dev={kind: file, path: dev.jsonl}'`. Unknown
settings, and values out of their limits, are refused before anything is loaded.

`hybrid-rl --cfg job --resolve` prints the values that a command would have, and `check=true` what follows from them.
"""
_PLACE = re.compile(r"(<!-- settings of (\w+) -->\n).*?(<!-- end of settings -->)", re.DOTALL)
_OF_RUN = "`resume`, `check` and `run_dir` concern the command, everything else the run."
_NAME = "The name of the option, which is that of its file."
Values = Mapping[str, Any]
"""The settings of a group as conf/ writes them."""


def pages(docs: Path) -> dict[Path, str]:
    """The reference and every page of a method, with their contents as they should be."""
    found: dict[Path, str] = {}
    placed = set()
    for path in sorted((docs / "methods").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        placed |= {name for _, name, _ in _PLACE.findall(text)}
        found[path] = _PLACE.sub(lambda at: f"{at[1]}\n{method_table(at[2])}\n{at[3]}", text)
    found[docs / "settings.md"] = reference(placed)
    return found


def reference(placed: set[str]) -> str:
    """The page of all settings; the methods in `placed` have their table on a page of their own."""
    values = _values()
    groups = [name for name in Settings.model_fields if (config_dir() / name).is_dir()]
    alone = {
        name: field
        for name, field in Settings.model_fields.items()
        if name not in (*groups, "method_target", "trl") and not [*sections(field.annotation)]
    }
    parts = [_HEAD, "## The run\n", _OF_RUN + "\n", _table(alone, values, _comments("config.yaml"))]
    for name in ("train", "budget"):
        parts += _section(name, Settings.model_fields[name], values[name], "config.yaml")
    parts += ["## method\n", *_methods(placed)]
    chosen = _default_options()
    for name in groups:
        if name != "method":
            file = f"{name}/base.yaml"
            if not (config_dir() / file).is_file():
                file = f"{name}/{chosen[name]}.yaml"
            parts += _section(name, Settings.model_fields[name], values[name], file)
            parts += [_options(name)]
    defaults = {name: field.default for name, field in TrlOptions.model_fields.items()}
    of_trl = "Fields of `trl.GRPOConfig` that are passed on, as `trl.NAME`. [Coming from TRL](trl.md) has the others.\n"
    parts += ["## trl\n", of_trl, _table(TrlOptions.model_fields, defaults, prefix="trl.")]
    parts += ["## study\n", _first_line(StudySettings) + "\n"]
    study = _values("study=custom")["study"]
    parts += [_table(StudySettings.model_fields, study, _comments("study/custom.yaml"), "study.")]
    parts += [*_below("study.", StudySettings.model_fields, study, set(), {}), _options("study")]
    parts += [
        "## experiment\n",
        "Presets: files that choose options and values.\n",
        _options("experiment"),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _default_options() -> Mapping[str, str]:
    """The option of each group that is taken where nothing is typed."""
    entries = primary_values()["defaults"]
    return {group: name for entry in entries if entry != "_self_" for group, name in entry.items()}


def method_table(name: str) -> str:
    """The settings of a method, and why their values are what they are."""
    values = _values(f"method={name}")["method"]
    fields = settings_class(method_class(values["_target_"])).model_fields
    return _table(fields, values, _comments(f"method/{name}.yaml"), "method.", reasons=True)


@cache
def _values(*overrides: str) -> Values:
    """The values of a command line as conf/ has them; to compose them takes a while."""
    found: Values = written(overrides)
    return found


def _methods(placed: set[str]) -> Iterator[str]:
    for file in sorted((config_dir() / "method").glob("*.yaml")):
        yield f"### method={file.stem}\n"
        yield head(file) + "\n"
        if file.stem in placed:
            yield f"Its settings are on [its page](methods/{file.stem}.md#settings).\n"
        else:
            yield method_table(file.stem)


def _section(name: str, field: FieldInfo, values: Values, file: str) -> Iterator[str]:
    """A group of settings, and below it the groups that it holds."""
    [section] = sections(field.annotation)
    comments = _comments(file)
    if file == "config.yaml":
        start = f"{name}."
        comments = {
            key.removeprefix(start): v for key, v in comments.items() if key.startswith(start)
        }
    yield f"## {name}\n"
    yield " ".join((field.description or _first_line(section)).split()) + "\n"
    yield _table(section.model_fields, values, comments, f"{name}.")
    yield from _below(f"{name}.", section.model_fields, values, set(), comments)


def _below(
    prefix: str,
    fields: Mapping[str, FieldInfo],
    values: Values,
    seen: set[type[BaseModel]],
    comments: Mapping[str, str],
) -> Iterator[str]:
    """The groups inside of a group, each once."""
    for name, field in fields.items():
        for section in sections(field.annotation):
            if section in seen:
                continue
            seen.add(section)
            kind = tag(section)
            yield f"### {prefix}{name}" + (f" with kind: {kind}" if kind else "") + "\n"
            yield _first_line(section) + "\n"
            given = values.get(name) if kind is None else None
            inner = {
                key.removeprefix(f"{name}."): comment
                for key, comment in comments.items()
                if key.startswith(f"{name}.")
            }
            own = {
                key: one.get_default(call_default_factory=True)
                for key, one in section.model_fields.items()
                if not one.is_required()
            }
            yield _table(section.model_fields, {**own, **(given or {})}, inner, f"{prefix}{name}.")
            yield from _below(f"{prefix}{name}.", section.model_fields, given or {}, seen, inner)


def _table(
    fields: Mapping[str, FieldInfo],
    values: Values,
    comments: Mapping[str, str] | None = None,
    prefix: str = "",
    reasons: bool = False,
) -> str:
    """A table of settings; with `reasons`, the comments of the file have a column, and else fill in for a docstring."""
    lines = ["setting | type and limits | default | meaning" + " | about the default" * reasons]
    lines += [" | ".join(["---"] * (4 + reasons))]
    for name, field in fields.items():
        if name == "kind":
            continue
        comment = (comments or {}).get(name, "")
        inner = [_first_line(section) for section in sections(field.annotation)]
        fallback = comment or _NAME * (name == "name") or "".join(inner if len(inner) == 1 else [])
        meaning = " ".join((field.description or fallback).split())
        cells = [f"`{prefix}{name}`", in_words(field), _default(name, values), meaning]
        if reasons:
            cells.append("" if comment == meaning else comment)
        lines.append(" | ".join(map(_cell, cells)))
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _default(name: str, values: Values) -> str:
    if name not in values:
        return "(yours)"
    value = values[name]
    if isinstance(value, Mapping) and value:
        return "(a group)"
    words = {None: "null", True: "true", False: "false", "": '""'}
    text = words[value] if value is None or isinstance(value, bool) or value == "" else str(value)
    return f"`{text}`" if text != "???" else "(yours)"


def _cell(text: str) -> str:
    """A text as it may stand in a table: no bar parts cells, and outside of code no < opens a tag."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))


def _options(group: str) -> str:
    """The files of a group, with what each says that it is."""
    lines = ["option | what it is", "--- | ---"]
    for file in sorted((config_dir() / group).glob("*.yaml")):
        if file.stem != "base":
            lines.append(f"`{group}={file.stem}` | {_cell(head(file))}")
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _first_line(section: type[BaseModel]) -> str:
    text = (section.__doc__ or "").partition("\n\n")[0]
    return " ".join(text.split())


def _comments(file: str) -> dict[str, str]:
    return beside_values((config_dir() / file).read_text(encoding="utf-8"))
