"""The type and the limits of a setting in plain words, from the annotation that the schema has."""

from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_PLAIN = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    NoneType: "null",
    Any: "anything",
}
_LIMITS = {
    "ge": "at least",
    "gt": "above",
    "le": "at most",
    "lt": "below",
}


def in_words(field: FieldInfo) -> str:
    """The type and the limits of a field, such as `whole number, at least 1, or null`."""
    annotation: Any = field.annotation  # a type, a union, or one of the forms of typing
    return _kind(annotation, field.metadata)


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The groups of settings that a value may be, through unions, lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        annotation.model_rebuild()  # a class that stands below its first use is not looked up before
        yield annotation
    for part in get_args(annotation):
        yield from sections(part)


def tag(section: type[BaseModel]) -> str | None:
    """The `kind` by which a group of settings is told from others, if it has one."""
    field = section.model_fields.get("kind")
    return None if field is None else str(get_args(field.annotation)[0])


def _kind(annotation: Any, metadata: Iterable[object] = ()) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0], [*parts[1:], *metadata])
    if origin in (Union, UnionType):
        return _union(parts, metadata)
    if origin is Literal:
        return _either([f"`{one}`" for one in parts])
    if origin is list or Ellipsis in parts:
        text = f"list ({_kind(parts[0])})"
    elif origin is tuple:
        text = f"list of {len(parts)} ({_kind(parts[0])})"
    elif origin is dict:
        text = f"group: name -> {_kind(parts[1])}"
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        text = "group" if tag(annotation) is None else "group with a `kind`"
    else:
        text = _PLAIN[annotation]
    return ", ".join([text, *_limits(metadata)])


def _union(parts: Iterable[Any], metadata: Iterable[object]) -> str:
    """The kinds of a union; limits belong to those that are numbers, and null comes last."""
    kinds = []
    for part in parts:
        if get_origin(part) is Literal:
            kinds += [f"`{one}`" for one in get_args(part)]
        else:
            kinds.append(_kind(part, () if part is NoneType else metadata))
    kinds.sort(key=lambda kind: kind == "null")
    return _either([*dict.fromkeys(kinds)])


def _either(kinds: list[str]) -> str:
    """The alternatives of a value; a comma parts them from a limit that stands in one of them."""
    *others, last = kinds
    if not others:
        return last
    comma = "," if any("," in kind for kind in others) else ""
    return f"{', '.join(others)}{comma} or {last}"


def _limits(metadata: Iterable[object]) -> Iterator[str]:
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from _limits(one.metadata)
        for name, words in _LIMITS.items():
            value = getattr(one, name, None)
            if value is not None:
                yield f"{words} {value:,}" if isinstance(value, int) else f"{words} {value:g}"
        if getattr(one, "min_length", None) == 1:
            yield "not empty"
        if isinstance(pattern := getattr(one, "pattern", None), str):
            yield f"like `{pattern}`"
