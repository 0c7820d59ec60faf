"""Turns a row into a question, by the Jinja2 templates of data.columns. Knows no source and no split.

A template is compiled once and runs in Jinja2's sandbox, as in lm-evaluation-harness. It reads columns, and calls
filters and methods that change nothing; it reaches no internals of Python. The sandbox limits neither time nor memory
(a loop in a loop over long lists, `{{ "x" * 10**9 }}`): whoever writes settings may have code of their own run anyway,
as a verifier.
"""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hybrid_rl.config.data import Columns, DataSettings
from hybrid_rl.data.questions import Message, Question, digest, normalise
from hybrid_rl.data.sources import SourceRow, Values
from hybrid_rl.errors import DataError
from hybrid_rl.types import Json
from hybrid_rl.verification.functions import PROMPT, Asks

WHOLE_ROW = "row"
"""The name by which a template reaches columns whose names are no identifiers, `{{ row["odd name"] }}`."""
_AUTO = "auto"
_FORMS = {
    "question": None,
    "prompt": (
        "completion",
        "{{ completion if completion is string else completion[-1].content }}",
    ),
    "messages": (
        "messages",
        "{{ messages[-1].content if messages[-1].role == 'assistant' else none }}",
    ),
}
"""Column of the prompt -> the column and template of the trace that go with it in TRL's forms of data."""
_ROLES = ("system", "developer", "user", "assistant", "tool")
_SINGLE_BRACES = re.compile(r"\{\s*([^{}]+?)\s*\}")
_UNFIT = "a value that its template cannot take"
# What expressions raise on such a value: `answer | int + "x"`, say.
_FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class Found:
    """A question and where it was found."""

    where: str
    key: str
    """Digest of its normalised text: the same for two printings of one question."""
    question: Question


class BadRow(Exception):
    """A row that cannot become a question; `kind` is what it is counted as."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(text)


class Template:
    """Text with Jinja2 expressions over the columns of a row, such as `{{ question }}`."""

    def __init__(self, text: str, names: Sequence[str]) -> None:
        """Compiles the text, for rows with columns of these names.

        Raises DataError where it does not parse, names other columns or none, or was written with single braces.
        """
        environment = _Environment(self._print)
        try:
            tree = environment.parse(text)
            self._compiled = environment.from_string(tree)
            self._expression = _alone(environment, text, tree)
        except TemplateSyntaxError as error:
            message = f"{text} is no Jinja2 template ({error.message})"
            raise DataError(f"{message}; write, for example, {{{{ question }}}}") from error
        self.text = text
        self.columns = sorted(find_undeclared_variables(tree))
        self._parts: list[str] = []
        if problems := [*self._problems(tree, names)]:
            raise DataError(*problems)

    def fill(self, row: Values) -> tuple[str, list[str]]:
        """The text for a row, and that of each `{{ }}` in it, in order.

        Raises BadRow, and DataError for an access that the sandbox refuses.
        """
        self._parts = []
        try:
            text = self._compiled.render({WHOLE_ROW: row, **row})
        except SecurityError as error:
            reason = str(error).rstrip(".")
            raise DataError(f"{self.text}: {reason}; a template may read columns only") from error
        except UndefinedError as error:
            raise BadRow("a value that is not there", f"{self.text}: {error}") from error
        except (TemplateError, *_FAILURES) as error:
            raise BadRow(_UNFIT, f"{self.text}: {error}") from error
        if not _is_unicode(text):
            kind = "text with half of a surrogate pair"
            raise BadRow(kind, f"{self.text}: {kind}, which is no character")
        return text.strip(), self._parts

    def messages(self, row: Values) -> list[Message] | None:
        """The messages that the template is of this row; None where it is a text.

        Raises BadRow for a conversation that is no prompt.
        """
        if self._expression is None:
            return None
        try:
            found = self._expression(**{WHOLE_ROW: row, **row})
        except (TemplateError, *_FAILURES):
            return None  # `fill` tells what is wrong
        if not isinstance(found, list) or not found or not all(map(_is_message, found)):
            return None
        messages = [Message(str(one["role"]), _content(one)) for one in found]
        while messages and messages[-1].role == "assistant":
            messages.pop()  # what it is to answer itself
        if not any(one.role == "user" for one in messages):
            raise BadRow("a conversation without a question", "no message of the user is in it")
        return messages

    def _problems(self, tree: nodes.Template, names: Sequence[str]) -> Iterator[str]:
        for name in self.columns:
            if name not in (*names, WHOLE_ROW):
                yield f"there is no column {name}; {nearest(name, names)}"
        texts = [data.data for data in tree.find_all(nodes.TemplateData)]
        for braces in [found for text in texts for found in _SINGLE_BRACES.findall(text)]:
            # Beside expressions, braces around no column's name are what they seem: \boxed{x}, say.
            if not self.columns or braces in names or braces.split(".")[0] in names:
                wanted = f"{{{{ {_expression(braces)} }}}}"
                yield f"{{{braces}}} is plain text in a Jinja2 template; write {wanted}"
                return
        if not self.columns:
            wanted = f"{{{{ {_expression(next(iter(names), 'question'))} }}}}"
            yield f"{self.text} names no column, so every row would give the same text; write, for example, {wanted}"

    def _print(self, value: Any) -> str:
        """The text of one `{{ }}`; Jinja2 calls this for each."""
        text = _as_text(value)
        self._parts.append(text)
        return text


class _Environment(ImmutableSandboxedEnvironment):
    """A sandbox in which a dot reads a key before a method of that name, and a key of nothing is nothing."""

    def __init__(self, finalize: Any) -> None:
        super().__init__(undefined=StrictUndefined, finalize=finalize)
        self.globals.clear()  # every name is then a column, and a misspelled one shows before any row is read

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The value at a key or position, else the method or attribute of that name that the sandbox allows."""
        if obj is None or obj == []:
            return None
        if isinstance(obj, Mapping) and argument not in obj and not hasattr(obj, str(argument)):
            remedy = nearest(str(argument), [str(key) for key in obj])
            return self.undefined(f"there is no key {argument}; {remedy}")
        return super().getitem(obj, argument)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The same as `getitem`: `{{ meta.items }}` is the key, where there is one."""
        return self.getitem(obj, attribute)


@dataclass(frozen=True)
class RowMapping:
    """Makes questions of the rows of one split."""

    templates: Mapping[str, Template]
    """The compiled columns, by field of `Columns`."""
    names: Sequence[str]
    """The columns of all rows; one may leave some out."""
    settings: DataSettings
    asks: Asks
    """What the reward wants of a row beside these."""

    def question(self, row: SourceRow) -> Found:
        """The question of a row. Raises BadRow, and DataError for an access that the sandbox refuses."""
        # A column that a line of JSON leaves out is one that holds null.
        values = {**dict.fromkeys(self.names), **row.values}
        conversation = self.templates["prompt"].messages(values)
        if conversation is None:
            text, parts = self._filled("prompt", values)
            messages = self._instructed([Message("user", text)])
        else:
            parts = [one.content for one in conversation if one.role != "system"]
            messages = self._instructed(conversation)
        key = digest(normalise("\n".join(parts)))
        prompt = next(one.content for one in reversed(messages) if one.role == "user")
        asked = prompt if conversation is None else [asdict(one) for one in messages]
        question = Question(
            id=self._filled("id", values)[0] if "id" in self.templates else key[:12],
            messages=tuple(messages),
            question=prompt,
            answer=self._answer(self._filled("answer", values)[0]),
            trace=self._trace(values),
            level=self._optional("level", values),
            columns={
                name: _as_json(value)
                for name, value in self.asks.of({**values, PROMPT: asked}).items()
            },
        )
        return Found(row.where, key, question)

    def _instructed(self, messages: Sequence[Message]) -> list[Message]:
        """The messages with data.system before them, unless they have a system message, and data.instruction behind.

        The instruction follows the last question of the user.
        """
        settings, found = self.settings, list(messages)
        if settings.instruction is not None:
            last = max(place for place, one in enumerate(found) if one.role == "user")
            content = f"{found[last].content}\n\n{settings.instruction}"
            found[last] = Message("user", content)
        if settings.system is not None and found[0].role != "system":
            found.insert(0, Message("system", settings.system))
        return found

    def _filled(self, field: str, values: Values) -> tuple[str, list[str]]:
        """The filled template. Raises BadRow, naming the column where it can, if a part of it is empty."""
        template = self.templates[field]
        return self._whole(template, values, *template.fill(values))

    def _whole(
        self, template: Template, values: Values, text: str, parts: list[str]
    ) -> tuple[str, list[str]]:
        """What a template was filled to. Raises BadRow if a part of it is empty."""
        if text and all(part.strip() for part in parts):
            return text, parts
        known = [name for name in template.columns if name in values and _is_empty(values[name])]
        what = f"column {known[0]}" if known else f"a part of {template.text}"
        raise BadRow(f"{what} is empty", f"{what} is empty")

    def _optional(self, field: str, values: Values) -> str | None:
        """The filled template, None where there is none or all that it prints is empty."""
        template = self.templates.get(field)
        if template is None:
            return None
        text, parts = template.fill(values)
        if not any(part.strip() for part in parts):
            return None
        return self._whole(template, values, text, parts)[0]

    def _answer(self, text: str) -> str:
        pattern = self.settings.answer_pattern
        if pattern is None:
            return text
        found = re.search(pattern, text)
        if found is None or not (found[1] or "").strip():
            raise BadRow(
                "no gold answer found by data.answer_pattern",
                f"data.answer_pattern = {pattern} finds no gold answer in {shown(text[-60:])}",
            )
        return found[1].strip()

    def _trace(self, values: Values) -> str | None:
        text = self._optional("trace", values)
        pattern = self.settings.remove_pattern
        if text is None or pattern is None:
            return text
        return re.sub(pattern, "", text).strip() or None


def compile_columns(
    columns: Columns, with_trace: bool, names: Sequence[str], setting: str, source: str
) -> dict[str, Template]:
    """The templates by field, of the fields that have one, for rows of `source` with columns of these names.

    Raises DataError with all problems of all templates, each with its `setting`, such as data.columns.prompt.
    """
    found: dict[str, Template] = {}
    problems: list[str] = []
    for field, text in _by_name(columns, names).items():
        if text is None or (field == "trace" and not with_trace):
            continue
        try:
            found[field] = Template(text, names)
        except DataError as error:
            problems += [f"{source}: {one} ({setting}.{field})" for one in error.problems]
    if problems:
        raise DataError(*problems)
    return found


def _by_name(columns: Columns, names: Sequence[str]) -> dict[str, str | None]:
    """The template of each field, where `auto` goes by the names of the columns."""
    texts: dict[str, str | None] = columns.model_dump()
    form = next((name for name in _FORMS if name in names), "question")
    automatic = texts["prompt"] == _AUTO
    if automatic:
        texts["prompt"] = f"{{{{ {form} }}}}"
    if texts["trace"] == _AUTO:
        trace = _FORMS[form] if automatic else None
        texts["trace"] = trace[1] if trace is not None and trace[0] in names else None
    return texts


def nearest(name: str, names: Sequence[str]) -> str:
    """A remedy: the nearest of `names`, or all of them."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(sorted(names))}"


def shown(text: str) -> str:
    """Text on one line, cut short, for messages."""
    line = repr(text)
    return line if len(line) <= 80 else f"{line[:77]}..."


def _alone(
    environment: ImmutableSandboxedEnvironment, text: str, tree: nodes.Template
) -> TemplateExpression | None:
    """The expression that a template is, where it is one `{{ }}` and nothing else; else None."""
    parts = (
        tree.body[0].nodes if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output) else []
    )
    if len(parts) != 1 or isinstance(parts[0], nodes.TemplateData):
        return None
    inside = text.strip().removeprefix("{{").removesuffix("}}").strip("-+")
    return environment.compile_expression(inside, undefined_to_none=False)


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and "role" in value and "content" in value


def _content(message: Mapping[str, Any]) -> str:
    """The text of a message. Raises BadRow where it is none, or one of no role that chat templates know."""
    role, content = message["role"], message["content"]
    if role not in _ROLES:
        kind = "a message of an unknown role"
        raise BadRow(kind, f"a message has the role {shown(str(role))}, of {', '.join(_ROLES)}")
    if isinstance(content, list) and all(
        isinstance(one, Mapping) and isinstance(one.get("text"), str) for one in content
    ):
        content = "\n".join(one["text"] for one in content)
    if not isinstance(content, str) or not content.strip():
        kind = "a message without a text"
        raise BadRow(kind, f"a message of the {role} has no text, but {shown(str(content))}")
    if not _is_unicode(content):
        kind = "text with half of a surrogate pair"
        raise BadRow(kind, f"a message of the {role} has {kind}, which is no character")
    return content


def _is_empty(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_empty(item) for item in value)
    return value is None or (isinstance(value, str) and not value.strip())


def _as_text(value: Any) -> str:
    """A value as it is printed: nothing for null, lists (and what `map` and the like make) joined by newlines."""
    if value is None:
        return ""
    if isinstance(value, list | tuple | Iterator):
        return "\n".join(_as_text(item) for item in value)
    if isinstance(value, Mapping):
        keys = [str(key) for key in value] or ["key"]
        raise ValueError(f"it holds several values ({', '.join(keys)}); name one, as .{keys[0]}")
    if callable(value) and not isinstance(value, StrictUndefined):
        raise ValueError("it names a function and does not call it; put () after the name")
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise ValueError(f"it is {value}, which is neither text nor a number")
    if not isinstance(value, str | int | float | Decimal | StrictUndefined):
        method = {"bytes": "decode", "date": "isoformat", "datetime": "isoformat"}
        kind = type(value).__name__
        remedy = (
            f"put .{method[kind]}() after the name" if kind in method else "name another column"
        )
        raise ValueError(f"it is a value of type {kind}, neither text nor a number; {remedy}")
    return str(value)


def _as_json(value: Any) -> Json:
    """A value as JSON holds it, for files and other processes; as text where JSON cannot hold it."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(one) for one in value]
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8, which half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _expression(path: str) -> str:
    """What to type for the column, or the column with keys between dots, that single braces stood for."""
    plain = path.replace(".", "").replace("-", "").isidentifier()
    name, *keys = path.split(".") if plain else [path]
    first = name if name.isidentifier() else f'{WHOLE_ROW}["{name}"]'
    return first + "".join(f"[{key}]" if re.fullmatch(r"-?\d+", key) else f".{key}" for key in keys)
