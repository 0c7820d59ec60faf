"""Turns questions into token ids, once: prompts through the chat template, traces with the place of every token.

After that a trace is its ids; nothing is decoded and encoded again, so what is trained on is what was counted and cut.
Knows no source; needs a tokenizer, but not the library that made it.
"""

import logging
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import jinja2

from hybrid_rl.config.data import DataSettings
from hybrid_rl.config.train import TrainSettings
from hybrid_rl.data.questions import Question, Questions
from hybrid_rl.errors import DataError
from hybrid_rl.models import chat
from hybrid_rl.types import Example, Ids, Trace

log = logging.getLogger(__name__)

_AT_ONCE = 1000
"""Texts that the tokenizer is given at a time."""
_OPENING_TAG_AT_END = re.compile(r"(<[^<>/\s][^<>\s]*>)(\s*)\Z")


@dataclass(frozen=True)
class Examples:
    """The examples of every split, and every count that a reader of the run must know."""

    train: list[Example]
    dev: list[Example]
    test: dict[str, list[Example]]
    notes: list[str]
    enough: Mapping[str, int] = field(default_factory=dict)
    """The settings that left prompts or traces of train out, each with the value that takes all that it was asked of:
    a trace whose prompt is left out is never counted."""


def encode(
    questions: Questions,
    tokenizer: Any,  # a fast tokenizer of transformers, which is half-typed
    data: DataSettings,
    train: TrainSettings,
    answer_start: Callable[[str], int],
) -> Examples:
    """Token ids take the place of text: all questions become examples.

    The prompt is the chat template with its generation prompt; the trace follows it directly and is tokenised on its
    own, as sampling would produce it. An opening tag, such as <think>, that ends the one and begins the other is left
    out of the trace, as in ReLIFT's code; so are tokens that end it, for every demonstration gets its end-of-sequence
    token in training. `answer_start` says where the statement of the answer begins in a text, and
    `train.max_completion_tokens` holds for a trace with its end-of-sequence token. Raises DataError for prompts and
    traces that are too long where they may not be dropped, and for text that the tokenizer cannot hold.
    """
    if not tokenizer.is_fast:
        raise DataError(
            f"model.tokenizer: {type(tokenizer).__name__} does not say where its tokens lie in the text; give a"
            " tokenizer with a tokenizer.json"
        )
    encoder = _Encoder(tokenizer, data, train, answer_start)
    splits = {"train": questions.train, "dev": questions.dev, **questions.test}
    encoded = {name: encoder.split(name, found) for name, found in splits.items()}
    if encoder.problems:
        raise DataError(*encoder.problems)
    for note in encoder.notes:
        log.info("%s", note)
    if encoder.warning is not None:
        log.warning("%s", encoder.warning)
        encoder.notes.append(encoder.warning)
    test = {name: encoded[name] for name in questions.test}
    return Examples(encoded["train"], encoded["dev"], test, encoder.notes, encoder.enough)


@dataclass
class _Encoder:
    """An encoder of split after split, which collects problems and notes."""

    tokenizer: Any
    data: DataSettings
    train: TrainSettings
    answer_start: Callable[[str], int]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    enough: dict[str, int] = field(default_factory=dict)
    warning: str | None = None
    """What may be wrong with the chat template, once for all prompts."""

    def split(self, name: str, questions: Sequence[Question]) -> list[Example]:
        """The examples of one split, without those that are dropped."""
        texts: dict[str, str] = {}
        try:
            with chat.within(chat.SECONDS + len(questions) / 100):
                texts = {question.id: self._render(question) for question in questions}
        except chat.EndlessTemplateError as error:
            self.problems.append(f"model.chat_template: {error}")
            return []
        if self.problems and "" in texts.values():
            return []  # the chat template took no messages, and that is among the problems
        self.warning = self.warning or _unguarded(questions, texts)
        most = self.data.max_prompt_tokens
        prompts = self._tokens(name, "prompt", texts, most)
        solved = self._solved(name, [one for one in questions if one.id in prompts], texts)
        # The end-of-sequence token comes on top.
        traces = self._tokens(name, "trace", solved, self.train.max_completion_tokens - 1)
        examples = [
            Example(
                id=one.id,
                prompt_ids=prompts[one.id].ids,
                question=one.question,
                answer=one.answer,
                trace=traces.get(one.id),
                level=one.level,
                columns=one.columns,
            )
            for one in questions
            if one.id in prompts
        ]
        if questions and not examples and not self.problems:
            left = f"no question is left; raise data.max_prompt_tokens = {most}"
            self.problems.append(f"{self._split(name)}: {left}")
        return examples

    def _solved(
        self, name: str, questions: Sequence[Question], prompts: Mapping[str, str]
    ) -> dict[str, str]:
        """The text of every trace by question id, without what the prompt has opened and what ends it."""
        solved, ended = {}, 0
        for one in questions:
            if one.trace is not None:
                opened = without_opening_tag(one.trace, prompts[one.id])
                solved[one.id] = self._specials_at_end.sub("", opened)
                ended += solved[one.id] != opened
        if ended:
            self.notes.append(
                f"{name}: {ended} of {len(solved)} traces ended with a special token as text, which was left out: each"
                " gets its end-of-sequence token in training"
            )
        return solved

    @cached_property
    def _specials(self) -> dict[int, str]:
        """The tokens that steer a model and are no text, by id; an unknown token stands for text."""
        added = self.tokenizer.added_tokens_decoder.items()
        found = {key: token.content for key, token in added if token.special}
        own = zip(self.tokenizer.all_special_ids, self.tokenizer.all_special_tokens, strict=True)
        found |= {key: str(token) for key, token in own}
        return {key: one for key, one in found.items() if one != self.tokenizer.unk_token}

    @cached_property
    def _specials_at_end(self) -> re.Pattern[str]:
        one = "|".join(map(re.escape, self._specials.values())) or r"(?!)"
        return re.compile(rf"(?:\s*(?:{one}))+\s*\Z")

    def _render(self, question: Question) -> str:
        """The prompt as text, special tokens and all."""
        messages = [asdict(message) for message in question.messages]
        try:
            text = chat.render(self.tokenizer, messages, prompt=True)
        except chat.EndlessTemplateError:
            raise
        except jinja2.TemplateError as error:
            roles = " and ".join(message.role for message in question.messages)
            problem = f"model.chat_template: takes no messages of {roles} ({error}); "
            if any(message.role == "system" for message in question.messages):
                problem += "set data.system=null, or "
            problem += "give a template that does"
            if problem not in self.problems:
                self.problems.append(problem)
            return ""
        for message in question.messages:
            if message.role == "assistant":
                continue  # many templates leave the thoughts of earlier answers out
            if message.content not in text and _bare(message.content) not in _bare(text):
                remedy = "set data.system=null" if message.role == "system" else "mend the row"
                problem = f"model.chat_template: leaves the {message.role} message out; {remedy},"
                problem += " or give a template that writes it as it is"
                if problem not in self.problems:
                    self.problems.append(problem)
                return ""
        return text

    def _tokens(
        self, name: str, what: Literal["prompt", "trace"], texts: Mapping[str, str], most: int
    ) -> dict[str, Trace]:
        """The texts of a split with their tokens, by question id; those of more than `most` are refused or counted.

        A text that decoding does not give again, but for blanks, is a problem.
        """
        if not texts:
            return {}
        cut = what == "trace"  # where the tokens of a prompt end is never asked
        found = {}
        for (question_id, text), ids, ends in self._each_encoded(texts, cut):
            decoded = self.tokenizer.decode(
                list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            if not ids or _bare(decoded) != _bare(text):
                self.problems.append(
                    f"{self._split(name)} {question_id}: the tokenizer turns the {what} into other text"
                    f" ({_difference(text, decoded)}); choose a model for this kind of text, or mend the row"
                )
            elif cut and (inside := self._specials.keys() & set(ids)):
                tokens = ", ".join(sorted(self._specials[one] for one in inside))
                self.problems.append(
                    f"{self._split(name)} {question_id}: the trace holds {tokens}, a special token of the tokenizer, as"
                    " text before its end; mend the row, or remove it with data.remove_pattern"
                )
            found[question_id] = Trace(text, ids, ends, self.answer_start(text) if cut else 0)
        long = {key: len(one.ids) for key, one in found.items() if len(one.ids) > most}
        if what == "prompt":
            policy, lost, why = self.data.on_long_prompt, "questions dropped", ""
            setting, of_these, drop = "data.max_prompt_tokens", 0, "data.on_long_prompt=drop"
        else:
            policy, lost = self.train.on_long_trace, "questions lost their trace"
            why = ", and one more is for the end of sequence"
            setting, of_these, drop = "train.max_completion_tokens", 1, "train.on_long_trace=drop"
        enough = max(long.values(), default=0) + of_these
        if policy == "refuse" and long:
            longest = max(long, key=lambda key: long[key])
            end = " with their end of sequence" if of_these else ""
            self.problems.append(
                f"{self._split(name)}: {len(long)} of {len(found)} {what}s{end} do not fit into {setting}="
                f"{most + of_these}; {setting}={enough} takes all ({longest} is the longest),"
                f" or set {drop}"
            )
        elif long:
            self.notes.append(
                f"{name}: {len(long)} of {len(found)} {lost}: a {what} of more than {most} tokens"
                f" (longest: {max(long.values())}){why}; {setting}={enough} keeps all"
            )
            if name == "train":
                self.enough[setting] = enough
        return {key: one for key, one in found.items() if key not in long}

    def _each_encoded(
        self, texts: Mapping[str, str], cut: bool
    ) -> Iterator[tuple[tuple[str, str], Ids, Ids]]:
        """Yields each of the texts with its name, its token ids and, with `cut`, where every token ends.

        A tokenizer's answer takes many times the memory of the ids, so it is asked for some of the texts at a time.
        """
        every = list(texts.items())
        for first in range(0, len(every), _AT_ONCE):
            part = every[first : first + _AT_ONCE]
            written = [text for _, text in part]
            encoded = self.tokenizer(written, add_special_tokens=False, return_offsets_mapping=cut)
            for place, named in enumerate(part):
                offsets = encoded["offset_mapping"][place] if cut else ()
                yield named, tuple(encoded["input_ids"][place]), tuple(end for _, end in offsets)

    def _split(self, name: str) -> str:
        return f"data={self.data.name}, {name}"


def without_opening_tag(trace: str, prompt: str) -> str:
    """The trace without the tag that it begins with, and the blanks after it, where the prompt ends with the same."""
    opened = _OPENING_TAG_AT_END.search(prompt)
    if opened is None or not trace.lstrip().startswith(opened[1]):
        return trace
    return trace.lstrip().removeprefix(opened[1]).removeprefix(opened[2])


def _unguarded(questions: Sequence[Question], prompts: Mapping[str, str]) -> str | None:
    """A warning where the first token of a prompt is one of the question.

    A pretrained model attends to its first token from everywhere and reads little from it ("attention sink", arXiv
    2309.17453): what the question begins with is then copied wrongly.
    """
    for one in questions:
        if one.messages[0].role == "user" and prompts[one.id].startswith(one.messages[0].content):
            return (
                f"model.chat_template: the first token of a prompt belongs to the question ({one.question[:20]!r}), and"
                " pretrained models read their first token badly, so that a number there may be miscopied; let the"
                " template begin with a special token, as in {{ bos_token }} or <|im_start|>user"
            )
    return None


def _bare(text: str) -> str:
    """The text without blanks, which word-level tokenizers lose, in the Unicode form that many normalise to."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def _difference(text: str, decoded: str) -> str:
    """The place where two texts first differ, as a few characters of both."""
    expected, found = _bare(text), _bare(decoded)
    pairs = enumerate(zip(expected, found, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), min(len(expected), len(found)))
    return f"{expected[place : place + 12]!r} becomes {found[place : place + 12]!r}"
