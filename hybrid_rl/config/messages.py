"""What pydantic finds wrong, as lines that a user can act on: setting, value, rule, remedy.

The names of settings in a line come from the schema. Rules that join several settings are in `rules`.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hybrid_rl.config import trl_names
from hybrid_rl.config.data import Source
from hybrid_rl.config.overrides import list_typed
from hybrid_rl.config.settings import Settings

NAME = re.compile(r"[A-Za-z0-9][\w.+=,-]*")
"""The names that may become a directory or a file."""
NAME_RULE = "only letters, digits and . _ + = , - may stand in it"
_OWN = "NAME"  # in names of settings, the name of a section that the user names
_LIMITS = {
    "greater_than_equal": "at least",
    "greater_than": "above",
    "less_than_equal": "at most",
    "less_than": "below",
}
# Beginning of pydantic's error type -> what it wants, and how that is typed.
_KINDS: dict[str | tuple[str, ...], tuple[str, str]] = {
    "int": ("a whole number", "e.g. {name}=1"),
    "float": ("a number", "e.g. {name}=0.5"),
    "bool": ("true or false", "e.g. {name}=true"),
    "none": ("null", "leave it out"),
    "string": ("text", "e.g. '{name}=\"...\"'"),
    ("list", "tuple"): ("a list", "e.g. '{name}=[...]'"),
    ("dict", "model"): ("a group of settings", "e.g. '{name}={{...}}'"),
}


class Origin(NamedTuple):
    """The origin of the settings: which options were chosen, and which keys were typed."""

    choices: Mapping[str, str | None] = MappingProxyType({})
    typed: Sequence[str] = ()

    def of(self, key: str) -> str:
        """The place that a key which does not belong came from; empty where it was typed, or nothing can be said."""
        group, _, rest = key.partition(".")
        typed = [given for given in self.typed if given not in self.choices]
        if any(key == given or key.startswith(f"{given}.") for given in typed):
            return ""
        preset = self.choices.get("experiment")
        chosen = f"{group}={self.choices.get(group)}"
        if rest and preset and group in self.choices:
            return f"{chosen} has none, experiment={preset} sets it for another {group}"
        return ""


def lines(
    error: ValidationError,
    values: Any,
    method: type[BaseModel],
    origin: Origin = Origin(),  # noqa: B008 - it is immutable
    schema: type[BaseModel] = Settings,
    prefix: str = "",
) -> dict[str, str]:
    """A line `setting = value: rule; remedy` for each setting; `method` is the schema of the method's section.

    `schema` is that of `values`, whose settings are named with `prefix`, such as `trl.`.
    """
    known = list(dict.fromkeys([*_known(method, "method."), *_known(schema, prefix)]))
    named = {key.partition(_OWN)[0] for key in known if _OWN in key}
    by_name: dict[str, list[tuple[str, str]]] = {}
    shown: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        path, value = _where(detail, values)
        name = (prefix + ".".join(path)).removesuffix(".")
        shown[name] = "" if detail["type"] == "missing" else f" = {as_typed(value)}"
        unknown = detail["type"] == "extra_forbidden"
        rule = (
            _unknown(name, _there(known, path), origin, named) if unknown else _rule(detail, name)
        )
        by_name.setdefault(name, []).append(rule)
    # A value that fits no branch of a union fails once in each; an error deeper in a branch says more.
    shallow = [name for name in by_name if any(other.startswith(f"{name}.") for other in by_name)]
    return {
        name: f"{name}{shown[name]}: {_either(rules)}"
        for name, rules in by_name.items()
        if name not in shallow
    }


def _either(rules: Sequence[tuple[str, str]]) -> str:
    """The rules of all branches of a union as `must be this or that; remedy`, with the remedy of the last."""
    first, *others = dict.fromkeys(rule for rule, _ in rules)
    return f"{' or '.join([first, *(rule.removeprefix('must be ') for rule in others)])}; {rules[-1][1]}"


def _where(detail: ErrorDetails, values: Any) -> tuple[list[str], Any]:
    """The keys that lead to the value, without pydantic's names of union branches; and the value."""
    path: list[str] = []
    here: Any = values
    for part in detail["loc"]:
        in_group = isinstance(here, Mapping) and part in here
        in_list = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if in_group or in_list:
            here = here[part]
        elif not (detail["type"] == "missing" and part == detail["loc"][-1]):
            continue
        path.append(str(part))
    return path, here


def _unknown(
    name: str, known: Sequence[str], origin: Origin, named: Collection[str] = ()
) -> tuple[str, str]:
    """The rule and the remedy for a key that does not belong: the nearest that does.

    Within sections that the user names, which begin with one of `named`, no setting of another section is meant.
    """
    parent, _, last = name.rpartition(".")
    if name in known:
        return f"{parent} has it for another kind only", f"take it out with ~{name}"
    if (of_trl := _by_other_name(parent, last, known)) is not None:
        return "no such setting", of_trl
    siblings = [key for key in known if key.rpartition(".")[0] == parent]
    leaves = {key.rpartition(".")[2]: key for key in reversed(known)}
    if name.startswith(tuple(named)):
        near = [
            f"{parent}.{leaf}"
            for leaf in difflib.get_close_matches(
                last, [key.rpartition(".")[2] for key in siblings], n=1
            )
        ]
    else:
        near = difflib.get_close_matches(name, siblings, n=1, cutoff=0.75) or [
            leaves[leaf] for leaf in difflib.get_close_matches(last, leaves, n=1, cutoff=0.85)
        ]
    source = origin.of(name)
    rule = f"no such setting; {source}" if source else "no such setting"
    if near:
        return rule, f"did you mean {near[0]}?"
    names = ", ".join(key.rpartition(".")[2] for key in siblings)
    return rule, f"{parent or 'there'} has {names}" if siblings else "leave it out"


def _by_other_name(parent: str, last: str, known: Sequence[str]) -> str | None:
    """The remedy for a name that TRL, or everybody, uses for a setting of ours; None for another one."""
    if last == "lr":
        rates = ("train.rl.learning_rate", "train.sft.learning_rate")
        own = f"{parent}.learning_rate"
        return f"did you mean {own if own in known else ' or '.join(rates)}?"
    if parent not in ("", "train"):
        return None
    if (owner := trl_names.OWNERS.get(last) or trl_names.FLAGS.get(last)) is not None:
        return f"did you mean {trl_names.TYPED.get(last, owner)}?"
    return trl_names.ELSEWHERE.get(last)


def _rule(detail: ErrorDetails, name: str) -> tuple[str, str]:
    """The rule for a value, and what to type."""
    error_type, context = detail["type"], detail.get("ctx", {})
    if error_type == "missing":
        return "is missing", f"give it with {name}=..."
    if error_type in _LIMITS:
        limit = next(iter(context.values()))
        shown = f"{limit:g}" if float(f"{limit:g}") == limit else str(limit)
        remedy = f"give a number {_LIMITS[error_type]} that"
        if error_type.endswith("equal"):
            remedy = f"e.g. {name}={shown}"
        return f"must be {_LIMITS[error_type]} {shown}", remedy
    if error_type == "finite_number":
        return "must be a finite number", f"e.g. {name}=0.5"
    if error_type == "literal_error":
        options = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        near = difflib.get_close_matches(str(detail["input"]), options, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"e.g. {name}={options[0]}"
        return f"must be one of {', '.join(options)}", remedy
    if error_type.startswith("union_tag"):
        kinds: list[Any] = [found.model_fields["kind"].annotation for found in _sections(Source)]
        options = [get_args(kind)[0] for kind in kinds]
        return f"must have a kind, one of {', '.join(options)}", f"e.g. {name}.kind={options[0]}"
    if error_type.startswith(("list", "tuple")) and isinstance(detail["input"], str):
        return "must be a list", f"e.g. {list_typed(name, detail['input'])}"
    for start, (kind, example) in _KINDS.items():
        if error_type.startswith(start):
            return f"must be {kind}", example.format(name=name)
    message = detail["msg"].removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}", f"change {name}"


def as_typed(value: Any) -> str:
    """A value as it is typed, cut short."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _there(known: Iterable[str], path: Sequence[str]) -> list[str]:
    """The names in `known`, with the user's own name of a section on the way to `path` in place of NAME."""
    found = []
    for key in known:
        group, marked, rest = key.partition(_OWN)
        depth = group.count(".")
        inside = (
            marked and len(path) > depth and group == "".join(f"{part}." for part in path[:depth])
        )
        found.append(f"{group}{path[depth]}{rest}" if inside else key)
    return found


def _known(model: Any, prefix: str) -> Iterator[str]:
    """Yields the dotted names of all settings of a section and of those below it; some come more than once.

    NAME stands for the name of a section that the user names, as those of `data.test` and `reward.terms`.
    """
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for section in _sections(field.annotation):
            yield from _known(section, f"{prefix}{name}.")
        if get_origin(field.annotation) is dict:
            for section in _sections(get_args(field.annotation)[1]):
                yield from _known(section, f"{prefix}{name}.{_OWN}.")


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The settings classes in an annotation, through unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, Annotated):
        for part in get_args(annotation):
            yield from _sections(part)
