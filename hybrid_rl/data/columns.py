"""From the columns of a row to a question, by the templates of data.columns. Knows no source and no split."""

import difflib
import json
import re
from collections import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hybrid_rl.config.data import Columns
from hybrid_rl.data.questions import Message, Question, digest, normalise
from hybrid_rl.data.sources import SourceRow, Values


@dataclass(frozen=True)
class Found:
    """A question and where it was found."""

    where: str
    key: str
    """Digest of its normalised text: the same for two printings of one question."""
    question: Question


_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")


class Template:
    """Text with `{column}`, `{column.key.0}` or `{list.-1.key}` in it; `{{` and `}}` are braces, and so is `{}`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.paths = [path for path in _PLACEHOLDER.findall(text) if path]

    def missing(self, columns: Sequence[str]) -> Iterator[str]:
        """One message per placeholder that begins with no known column."""
        for path in self.paths:
            name = path.split(".")[0]
            if path not in columns and name not in columns:
                yield f"there is no column {name}; {nearest(name, columns)}"

    def values(self, row: Values) -> list[str]:
        """The text of each placeholder, "" where the row has none. Raises LookupError with a message."""
        return [_as_text(path, _find(path, row)) for path in self.paths]

    def fill(self, values: Sequence[str]) -> str:
        """The text with `values` in the places of the placeholders."""
        rest = iter(values)
        braces = {"{{": "{", "}}": "}"}
        return _PLACEHOLDER.sub(lambda found: braces.get(found[0]) or next(rest), self.text).strip()


class BadRow(Exception):
    """A row that cannot become a question; `kind` is what it is counted as."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(text)


class RowMapping:
    """The columns of one split, parsed."""

    def __init__(
        self,
        columns: Columns,
        with_trace: bool,
        system: str | None,
        instruction: str | None,
        answer_pattern: str | None,
        remove_pattern: str | None,
    ) -> None:
        self.prompt = Template(columns.prompt)
        self.answer = Template(columns.answer)
        self.id, self.trace, self.level = (
            None if text is None else Template(text)
            for text in (columns.id, columns.trace if with_trace else None, columns.level)
        )
        self.system = system
        self.instruction = instruction
        self.answer_pattern = answer_pattern
        self.remove_pattern = remove_pattern

    def missing(self, rows: Sequence[SourceRow]) -> list[tuple[str, str]]:
        """(setting, problem) for every placeholder that no row has a column for."""
        names = list(dict.fromkeys(name for row in rows for name in row.values))
        templates = {name: getattr(self, name) for name in Columns.model_fields}
        return [
            (name, text)
            for name, template in templates.items()
            if template is not None
            for text in template.missing(names)
        ]

    def question(self, row: SourceRow) -> Found:
        """The question of a row. Raises BadRow."""
        key = digest(normalise("\n".join(self._values(self.prompt, row))))
        prompt = self._fill(self.prompt, row)
        if self.instruction is not None:
            prompt = f"{prompt}\n\n{self.instruction}"
        messages = [Message("user", prompt)]
        if self.system is not None:
            messages.insert(0, Message("system", self.system))
        question = Question(
            id=key[:12] if self.id is None else self._fill(self.id, row),
            messages=tuple(messages),
            question=prompt,
            answer=self._answer(self._fill(self.answer, row)),
            trace=self._trace(row),
            level=self._optional(self.level, row),
        )
        return Found(row.where, key, question)

    def _values(self, template: Template, row: SourceRow) -> list[str]:
        try:
            return template.values(row.values)
        except LookupError as error:
            raise BadRow("a value that is not there", str(error.args[0])) from error

    def _fill(self, template: Template, row: SourceRow) -> str:
        values = self._values(template, row)
        for path, value in zip(template.paths, values, strict=True):
            if not value.strip():
                raise BadRow(f"column {path} is empty", f"column {path} is empty")
        return template.fill(values)

    def _optional(self, template: Template | None, row: SourceRow) -> str | None:
        """The filled template, None where all its columns are empty."""
        if template is None or not any(value.strip() for value in self._values(template, row)):
            return None
        return self._fill(template, row)

    def _answer(self, text: str) -> str:
        if self.answer_pattern is None:
            return text
        found = re.search(self.answer_pattern, text)
        if found is None or not (found[1] or "").strip():
            raise BadRow(
                "no gold answer found by data.answer_pattern",
                f"data.answer_pattern = {self.answer_pattern} finds no gold answer in {shown(text[-60:])}",
            )
        return found[1].strip()

    def _trace(self, row: SourceRow) -> str | None:
        text = self._optional(self.trace, row)
        if text is None or self.remove_pattern is None:
            return text
        return re.sub(self.remove_pattern, "", text).strip() or None


def nearest(name: str, names: Sequence[str]) -> str:
    """A remedy: the nearest of `names`, or all of them."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(sorted(names))}"


def _find(path: str, row: Values) -> Any:
    """The value at a path; None where the row leaves it out. Only keys and positions are followed, no attributes."""
    if path in row:
        return row[path]
    name, *keys = path.split(".")
    here = row.get(name)
    for depth, key in enumerate(keys, 1):
        place = ".".join([name, *keys[: depth - 1]])
        if here is None or here == []:
            return None
        if isinstance(here, abc.Mapping):
            if key not in here:
                raise LookupError(
                    f"column {place} has no key {key}; {nearest(key, [str(k) for k in here])}"
                )
            here = here[key]
        elif isinstance(here, list):
            if not re.fullmatch(r"-?\d+", key) or not -len(here) <= int(key) < len(here):
                raise LookupError(
                    f"column {place} is a list of {len(here)}, without a place {key}; count from 0"
                )
            here = here[int(key)]
        else:
            raise LookupError(
                f"column {place} holds {_json(here)}, which has no {key}; use {{{place}}}"
            )
    return here


def _as_text(path: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(_as_text(path, item) for item in value)
    if isinstance(value, abc.Mapping):
        key = next(iter(value), "key")
        raise LookupError(
            f"column {path} holds several values ({', '.join(value)}); name one, e.g. {{{path}.{key}}}"
        )
    return str(value)


def shown(text: str) -> str:
    """Text on one line, cut short, for messages."""
    line = repr(text)
    return line if len(line) <= 80 else f"{line[:77]}..."


def _json(value: Any) -> str:
    return shown(json.dumps(value, ensure_ascii=False, default=str))
