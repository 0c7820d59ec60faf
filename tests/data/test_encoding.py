"""Encoding, with a word-level tokenizer made in memory whose ids can be counted by hand."""

from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hybrid_rl.config.data import DataSettings
from hybrid_rl.config.train import TrainSettings
from hybrid_rl.data.encoding import Examples, encode, without_opening_tag
from hybrid_rl.data.questions import Message, Question, Questions
from hybrid_rl.errors import DataError
from hybrid_rl.types import Trace

WORDS = [
    "<pad>",
    "<end>",
    "<unknown>",
    "user:",
    "system:",
    "expert:",
    "1",
    "2",
    "3",
    "+",
    "#",
    "<think>",
]
TEMPLATE = (
    "{% for m in messages %}"
    "{% if m.content == '+' %}{{ raise_exception('no sums') }}{% endif %}"
    "{{ m.role }}: {{ m.content }} <end> "
    "{% endfor %}"
    "{% if add_generation_prompt %}expert: {% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unknown>")
    )
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="<end>",
        unk_token="<unknown>",
        chat_template=TEMPLATE,
    )


def question(name: str, text: str, trace: str | None, system: str | None = None) -> Question:
    messages = [Message("user", text)]
    if system is not None:
        messages.insert(0, Message("system", system))
    return Question(name, tuple(messages), text, "3", trace)


def encoded(train: list[Question], test: list[Question] | None = None, **changes: Any) -> Examples:
    on_long = changes.get("on_long", "refuse")
    # Only the settings that encoding reads; the whole sections would hide them.
    data = DataSettings.model_construct(name="mine", on_long_prompt=on_long, max_prompt_tokens=9)
    train_settings = TrainSettings.model_construct(
        on_long_trace=on_long, max_completion_tokens=changes.get("most", 6)
    )
    return encode(
        Questions(train, [], {"held": test or []}, [], {}),
        changes.get("thinking", tokenizer()),
        data,
        train_settings,
        answer_start=lambda text: text.find("#"),
    )


def test_the_prompt_is_the_template_with_its_generation_prompt() -> None:
    [example] = encoded([question("a", "1 + 2", None, system="3")]).train

    words = " ".join(WORDS[i] for i in example.prompt_ids)
    assert words == "system: 3 <end> user: 1 + 2 <end> expert:"


def test_a_trace_knows_where_its_tokens_end_and_where_its_answer_starts() -> None:
    [example] = encoded([question("a", "1 + 2", "1 + 2\n# 3")]).train

    assert example.trace == Trace(
        text="1 + 2\n# 3", ids=(6, 9, 7, 10, 8), ends=(1, 3, 5, 7, 9), answer_start=6
    )


def test_a_trace_fits_when_its_end_of_sequence_token_does() -> None:
    [example] = encoded([question("a", "1", "1 1 1 1 1")]).train  # the limit is 6

    assert example.trace is not None


def test_a_long_trace_is_refused_with_its_length() -> None:
    with pytest.raises(DataError) as raised:
        encoded([question("a", "1", "1 1 1 1 1 1")])

    assert str(raised.value) == (
        "data=mine, train: 1 of 1 traces with their end of sequence do not fit into train.max_completion_tokens=6;"
        " train.max_completion_tokens=7 takes all (a is the longest), or set train.on_long_trace=drop"
    )


def test_a_dropped_trace_leaves_its_question() -> None:
    examples = encoded([question("a", "1", "1 1 1 1 1 1"), question("b", "2", "1")], on_long="drop")

    assert [(example.id, example.trace is None) for example in examples.train] == [
        ("a", True),
        ("b", False),
    ]
    assert examples.notes == [
        "train: 1 of 2 questions lost their trace: a trace of more than 5 tokens (longest: 6), and one more is for the"
        " end of sequence; train.max_completion_tokens=7 keeps all"
    ]
    assert examples.enough == {"train.max_completion_tokens": 7}


def test_a_long_prompt_is_refused_in_any_split() -> None:
    with pytest.raises(DataError) as raised:
        encoded([question("a", "1", None)], [question("b", "1 1 1 1 1 1 1", None)])

    assert str(raised.value) == (
        "data=mine, held: 1 of 1 prompts do not fit into data.max_prompt_tokens=9; data.max_prompt_tokens=10 takes all"
        " (b is the longest), or set data.on_long_prompt=drop"
    )


def test_long_traces_are_one_line_with_the_number_that_takes_them_all() -> None:
    rows = [question("a", "1", "1 " * 6), question("b", "2", "1 " * 9), question("c", "3", "1")]
    with pytest.raises(DataError) as raised:
        encoded(rows)
    assert str(raised.value) == (
        "data=mine, train: 2 of 3 traces with their end of sequence do not fit into train.max_completion_tokens=6;"
        " train.max_completion_tokens=10 takes all (b is the longest), or set train.on_long_trace=drop"
    )
    assert len(encoded([question("b", "2", "1 " * 9)], most=10).train) == 1


def test_a_dropped_prompt_takes_its_question_and_is_counted() -> None:
    examples = encoded(
        [question("a", "1 1 1 1 1 1 1", "1"), question("b", "2", "1")], on_long="drop"
    )

    assert [example.id for example in examples.train] == ["b"]
    assert examples.notes == [
        "train: 1 of 2 questions dropped: a prompt of more than 9 tokens (longest: 10);"
        " data.max_prompt_tokens=10 keeps all"
    ]
    assert examples.enough == {"data.max_prompt_tokens": 10}


def test_dropping_every_question_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"train: no question is left; raise data\.max_prompt_tokens = 9"
    ):
        encoded([question("a", "1 1 1 1 1 1 1", None)], on_long="drop")


def test_text_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(DataError) as raised:
        encoded([question("a", "4", None), question("b", "1", "1 + 4")])

    assert str(raised.value).split("\n") == [
        "data=mine, train a: the tokenizer turns the prompt into other text ('4<end>expert' becomes '<unknown><en');"
        " choose a model for this kind of text, or mend the row",
        "data=mine, train b: the tokenizer turns the trace into other text ('4' becomes '<unknown>');"
        " choose a model for this kind of text, or mend the row",
    ]


def test_messages_that_the_template_refuses_are_named_once() -> None:
    with pytest.raises(DataError) as raised:
        encoded([question("a", "1", None, system="+"), question("b", "2", None, system="+")])

    assert str(raised.value) == (
        "model.chat_template: takes no messages of system and user (no sums); set data.system=null,"
        " or give a template that does"
    )


def test_without_a_system_message_nobody_is_told_to_leave_it_out() -> None:
    with pytest.raises(DataError) as raised:
        encoded([question("a", "+", None)])
    assert str(raised.value) == (
        "model.chat_template: takes no messages of user (no sums); give a template that does"
    )


@pytest.mark.parametrize(
    ("prompt", "trace", "expected"),
    [
        ("expert: <think>\n", "<think>\nSo 3", "So 3"),
        ("expert: <think>", "<think>\nSo 3", "\nSo 3"),
        ("expert: <think>\n", "\n<think>So 3", "So 3"),
        ("expert: <think>\n\n</think>\n\n", "</think>\n\nSo 3", "</think>\n\nSo 3"),
        ("expert: ", "<think>\nSo 3", "<think>\nSo 3"),
        ("expert: <think>\n", "So 3 <think>\n", "So 3 <think>\n"),
    ],
)
def test_a_tag_that_the_prompt_has_opened_is_not_opened_again(
    prompt: str, trace: str, expected: str
) -> None:
    assert without_opening_tag(trace, prompt) == expected


def test_a_trace_goes_on_after_the_tag_that_ends_the_prompt() -> None:
    thinking = tokenizer()
    thinking.chat_template = TEMPLATE.replace("expert: ", "expert: <think>\n")
    [example] = encoded([question("a", "1", "<think>\n1 + 2\n# 3")], thinking=thinking).train

    assert [WORDS[i] for i in example.prompt_ids[-2:]] == ["expert:", "<think>"]
    assert example.trace == Trace(
        text="1 + 2\n# 3", ids=(6, 9, 7, 10, 8), ends=(1, 3, 5, 7, 9), answer_start=6
    )


def test_tokens_that_end_a_trace_are_left_out_since_each_demonstration_gets_its_own() -> None:
    traces = ["1 # 3 <end>", "1 # 3<end>\n <pad>", "1 # 3"]
    found = encoded([question(str(i), "1", trace) for i, trace in enumerate(traces)])

    assert [example.trace and example.trace.ids for example in found.train] == [(6, 10, 8)] * 3
    assert found.notes == [
        "train: 2 of 3 traces ended with a special token as text, which was left out: each gets its end-of-sequence"
        " token in training"
    ]


def test_a_special_token_within_a_trace_is_refused() -> None:
    with pytest.raises(DataError) as raised:
        encoded([question("a", "1", "1 <end> 2")])

    assert str(raised.value) == (
        "data=mine, train a: the trace holds <end>, a special token of the tokenizer, as text before its end; mend the"
        " row, or remove it with data.remove_pattern"
    )


def test_a_template_that_leaves_the_system_message_out_is_refused() -> None:
    deaf = tokenizer()
    deaf.chat_template = TEMPLATE.replace("in messages", "in messages if m.role == 'user'")
    with pytest.raises(DataError) as raised:
        encoded([question("a", "1", None, system="3")], thinking=deaf)

    assert str(raised.value) == (
        "model.chat_template: leaves the system message out; set data.system=null, or give a template that writes it as"
        " it is"
    )


BARE = "{{ messages[-1].content }} expert: "
FIRST_TOKEN = (
    "model.chat_template: the first token of a prompt belongs to the question ('1 + 2'), and"
)


@pytest.mark.parametrize(
    ("template", "system", "warned"),
    [(BARE, None, True), (f"<end> {BARE}", None, False), (TEMPLATE, None, False)],
)
def test_a_template_that_leaves_the_first_token_to_the_question_is_warned_of(
    template: str, system: str | None, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    words = tokenizer()
    words.chat_template = template
    found = encoded([question(name, "1 + 2", None, system) for name in ("a", "b")], thinking=words)

    assert [note.startswith(FIRST_TOKEN) for note in found.notes] == [True] * warned
    assert [record.levelname for record in caplog.records if "first token" in record.message] == (
        ["WARNING"] * warned
    )


def test_each_of_many_questions_keeps_its_own_tokens() -> None:
    """The tokenizer is given a thousand texts at a time; 2,500 of them tell if two of these come to be mixed up."""
    texts = [" ".join("123"[(n // 3**place) % 3] for place in range(5)) for n in range(2500)]
    asked = [question(str(n), text, f"{text[0]} # {text[2]}") for n, text in enumerate(texts)]
    by_id = {example.id: example for example in encoded(asked).train}
    assert len(by_id) == 2500
    for n, text in enumerate(texts):
        words = [WORDS.index(word) for word in text.split()]
        example = by_id[str(n)]
        assert list(example.prompt_ids[1:6]) == words
        assert example.trace is not None
        assert example.trace.ids == (words[0], WORDS.index("#"), words[1])
        assert example.trace.ends == (1, 3, 5)
