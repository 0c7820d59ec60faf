"""Prompts that are lists of messages, and the forms of data that TRL reads, without a mapping."""

from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.data.questions import Message, Question
from hybrid_rl.data.splits import load_questions
from hybrid_rl.verification.functions import Asks
from tests.fakes.rows import BASE, LastWord, jsonl, refusal, settings

AUTO = {**BASE["columns"], "prompt": "auto", "answer": "{{ answer }}", "trace": "auto"}


def said(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


TURNS = [
    said("system", "Be brief."),
    said("user", "What is 1 + 1?"),
    said("assistant", "It is 2"),
    said("user", "And 2 + 2?"),
]
SOLVED = said("assistant", "It is 4")


def loaded(tmp_path: Path, row: dict[str, Any], **changes: Any) -> Question:
    source = jsonl(tmp_path / "a.jsonl", [row])
    made = settings(**{"train": source, "columns": AUTO} | changes)
    grader = LastWord(Asks(needed=("prompt",)))
    [question] = load_questions(made, grader, False, True).train
    return question


def asked(question: Question) -> list[dict[str, object]]:
    return [said(one.role, one.content) for one in question.messages]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [*TURNS, SOLVED]},
        {"prompt": TURNS, "completion": [SOLVED]},
        {"prompt": TURNS, "completion": "It is 4"},
    ],
)
def test_the_forms_of_trl_need_no_mapping(tmp_path: Path, row: dict[str, Any]) -> None:
    question = loaded(tmp_path, row | {"answer": "4"})
    assert asked(question) == TURNS
    assert (question.question, question.trace) == ("And 2 + 2?", "It is 4")
    assert question.columns == {"prompt": TURNS}


def test_texts_in_the_form_of_trl_need_no_mapping_either(tmp_path: Path) -> None:
    row = {"prompt": "What is 2 + 2?", "completion": "It is 4", "answer": "4"}
    question = loaded(tmp_path, row)
    assert asked(question) == [said("user", "What is 2 + 2?")]
    assert (question.trace, question.columns) == ("It is 4", {"prompt": "What is 2 + 2?"})


def test_a_column_question_comes_first_and_brings_no_trace(tmp_path: Path) -> None:
    row = {"question": "2 + 2?", "messages": [*TURNS, SOLVED], "completion": "x", "answer": "4"}
    question = loaded(tmp_path, row)
    assert (question.question, question.trace) == ("2 + 2?", None)


def test_messages_that_end_with_a_question_have_no_trace(tmp_path: Path) -> None:
    question = loaded(tmp_path, {"messages": TURNS, "answer": "4"})
    assert (asked(question), question.trace) == (TURNS, None)


def test_any_column_may_hold_the_conversation(tmp_path: Path) -> None:
    columns = AUTO | {"prompt": "{{ chat.turns[:-1] }}", "trace": "{{ chat.turns[-1].content }}"}
    row = {"chat": {"turns": [*TURNS, SOLVED]}, "answer": "4"}
    question = loaded(tmp_path, row, columns=columns)
    assert (asked(question), question.trace) == (TURNS, "It is 4")


def test_the_instruction_follows_the_last_question_and_a_system_message_of_the_row_stays(
    tmp_path: Path,
) -> None:
    own = {"system": "You are a teacher.", "instruction": "Think."}
    with_system = loaded(tmp_path, {"prompt": TURNS, "answer": "4"}, **own)
    assert asked(with_system) == [*TURNS[:3], said("user", "And 2 + 2?\n\nThink.")]
    without = loaded(tmp_path, {"prompt": TURNS[1:], "answer": "4"}, **own)
    assert without.messages[0] == Message("system", "You are a teacher.")
    assert without.messages[1:3] == with_system.messages[1:3]


def test_earlier_turns_make_two_questions_differ(tmp_path: Path) -> None:
    other = [*TURNS[:1], said("user", "What is 3 + 1?"), *TURNS[2:]]
    rows = [{"prompt": one, "answer": "4"} for one in (TURNS, other)]
    source = jsonl(tmp_path / "a.jsonl", rows)
    made = settings(train=source, columns=AUTO)
    assert len(load_questions(made, LastWord(), False, True).train) == 2


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([said("system", "Be brief."), SOLVED], "no message of the user is in it"),
        (
            [said("robot", "2 + 2?")],
            "a message has the role 'robot', of system, developer, user, assistant, tool",
        ),
        ([said("user", None)], "a message of the user has no text, but 'None'"),
        (
            [said("user", [{"type": "image"}])],
            "a message of the user has no text, but \"[{'type': 'image'}]\"",
        ),
    ],
)
def test_a_conversation_that_is_no_prompt_is_refused(
    tmp_path: Path, messages: list[Any], problem: str
) -> None:
    source = jsonl(tmp_path / "a.jsonl", [{"messages": messages, "answer": "4"}])
    [line, *_] = refusal(settings(train=source, columns=AUTO))
    assert line == f"data=mine, train row 1: {problem}; mend the row, or set data.on_bad_row=drop"


def test_parts_of_a_message_that_are_texts_are_its_lines(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Look:"}, {"type": "text", "text": "2 + 2?"}]
    question = loaded(tmp_path, {"prompt": [said("user", parts)], "answer": "4"})
    assert question.question == "Look:\n2 + 2?"
