"""Loading: every kind of bad row, splits that stay apart, rationed traces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.config.data import DataSettings
from hybrid_rl.data.questions import Questions
from tests.fakes.rows import (
    BASE,
    TRACED,
    Failing,
    jsonl,
    load,
    numbered,
    refusal,
    settings,
)


def test_a_missing_column_is_named_once_with_the_nearest(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", [{"question": "one", "a": "1"}] * 3)
    columns = {**BASE["columns"], "prompt": "{{ questoin }}", "answer": "{{ zzz }}"}

    assert refusal(settings(train=source, columns=columns)) == [
        f"data=mine, train: {source['path']}: there is no column questoin; did you mean question?"
        " (data.columns.prompt)",
        f"data=mine, train: {source['path']}: there is no column zzz; choose from a, question (data.columns.answer)",
    ]


SHARED_NONE = (
    "no question of train or dev is in another split, compared by a hash of the normalised text"
)
BAD_ROWS = [
    {"q": "one", "a": "1", "t": "It is 1"},
    {"q": " ", "a": "2", "t": "It is 2"},
    {"q": "three", "a": None, "t": "It is 3"},
    {"q": "four", "a": "4 or 5", "t": "It is 4"},
    {"q": "six", "a": "6", "t": "It is 7"},
    {"q": "eight", "a": "8"},
]


def test_all_problems_of_all_rows_come_at_once(tmp_path: Path) -> None:
    chosen = settings(train=jsonl(tmp_path / "a.jsonl", BAD_ROWS), columns=TRACED)
    remedy = "; mend the row, or set data.on_bad_row=drop"

    assert refusal(chosen) == [
        f"data=mine, train row 2: column q is empty{remedy}",
        f"data=mine, train row 3: column a is empty{remedy}",
        f"data=mine, train row 4: the gold answer '4 or 5' cannot be graded: it has a blank{remedy}",
        "data=mine, train row 5: its trace does not reach the gold answer '6' (verifier: wrong);"
        f" it ends with 'It is 7'{remedy}",
    ]


def test_dropped_rows_are_counted_by_kind(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", BAD_ROWS)
    loaded = load(settings(train=source, columns=TRACED, on_bad_row="drop"))

    assert [question.answer for question in loaded.train] == ["1", "8"]
    assert loaded.notes == [
        "train: 1 row dropped: column q is empty (first: row 2)",
        "train: 1 row dropped: column a is empty (first: row 3)",
        "train: 1 row dropped: a gold answer that cannot be graded (first: row 4)",
        "train: 1 row dropped: a trace that does not reach the gold answer (first: row 5)",
        SHARED_NONE,
        "train: 2 questions, 1 with a trace",
    ]


@pytest.mark.parametrize("policy", ["refuse", "drop"])
def test_a_verifier_that_fits_no_row_is_said_once(tmp_path: Path, policy: str) -> None:
    golds = [{"q": f"question {i}", "a": "no number"} for i in range(30)]
    traces = [{"q": f"question {i}", "a": "1", "t": "It is 2"} for i in range(30)]
    lines = [
        refusal(settings(train=source, columns=TRACED, on_bad_row=policy))
        for source in (
            jsonl(tmp_path / "a.jsonl", [{**row, "t": None} for row in golds]),
            jsonl(tmp_path / "b.jsonl", traces),
        )
    ]

    assert lines == [
        [
            "data=mine, train: none of the 30 gold answers can be graded; choose the reward that fits this data."
            " The first: the gold answer 'no number' cannot be graded: it has a blank"
        ],
        [
            "data=mine, train: none of the 30 traces reaches its gold answer; choose the reward that fits this data."
            " Or let them state it: 'data.columns.trace=\"{{ t }} #### {{ a }}\"'. The first, row 1:"
            " its trace does not reach the gold answer '1' (verifier: wrong); it ends with 'It is 2'"
        ],
    ]


def test_a_verifier_that_fails_on_some_traces_is_told_with_its_reason(tmp_path: Path) -> None:
    rows = [{"q": f"question {i}", "a": "1", "t": text} for i, text in enumerate(("It is 2", "?"))]
    chosen = settings(train=jsonl(tmp_path / "a.jsonl", rows), columns=TRACED)
    [line] = refusal(chosen, grader=Failing())
    assert (
        "fits this data. The verifier itself failed: KeyError: 'broken' (mine.py:6). The first, row 1"
        in line
    )


def test_a_verifier_that_fails_on_every_trace_is_the_cause_and_told_first(tmp_path: Path) -> None:
    rows = [{"q": f"question {i}", "a": str(i), "t": f"It is {i}"} for i in range(3)]
    rows.append({"q": " ", "a": "2", "t": "It is 2"})
    chosen = settings(train=jsonl(tmp_path / "a.jsonl", rows), columns=TRACED)
    assert refusal(chosen, grader=Failing()) == [
        "data=mine, train: the verifier mine failed on all 3 traces, at first with KeyError: 'broken' (mine.py:6);"
        " correct it (the first trace: row 1)",
        "data=mine, train row 4: column q is empty; mend the row, or set data.on_bad_row=drop",
    ]


def test_a_long_list_of_problems_is_cut_and_totalled(tmp_path: Path) -> None:
    rows = [{"q": f"question {i}", "a": ""} for i in range(30)]
    lines = refusal(settings(train=jsonl(tmp_path / "a.jsonl", rows)))

    assert len(lines) == 21
    assert lines[-1] == "... and 10 more; 30 problems in all"


def test_an_id_used_twice_is_refused(tmp_path: Path) -> None:
    rows = [{"q": "one", "a": "1", "n": 7}, {"q": "two", "a": "2", "n": 7}]
    columns = {**BASE["columns"], "id": "n{{ n }}"}

    assert refusal(settings(train=jsonl(tmp_path / "a.jsonl", rows), columns=columns)) == [
        "data=mine, train row 2: its id n7 is also that of row 1; mend the row, or set data.on_bad_row=drop"
    ]


def test_a_gold_answer_is_found_by_its_pattern(tmp_path: Path) -> None:
    rows = [{"q": "one", "a": "so <<1=1>>1\n#### 1"}, {"q": "two", "a": "so 2"}]
    chosen = settings(
        train=jsonl(tmp_path / "a.jsonl", rows),
        columns={**BASE["columns"], "trace": "{{ a }}"},
        answer_pattern=r"####\s*(\S+)",
        remove_pattern="<<[^<>]*>>",
        on_bad_row="drop",
    )
    loaded = load(chosen)

    assert [(question.answer, question.trace) for question in loaded.train] == [
        ("1", "so 1\n#### 1")
    ]
    assert (
        loaded.notes[0]
        == "train: 1 row dropped: no gold answer found by data.answer_pattern (first: row 2)"
    )


@pytest.mark.parametrize("nothing", [None, [], {"text": None}, [{"text": " "}]])
def test_a_row_may_have_no_trace(tmp_path: Path, nothing: Any) -> None:
    rows = [
        {"q": "one", "a": "1", "t": [{"text": "It is 1"}]},
        {"q": "two", "a": "2", "t": nothing},
    ]
    path = "{{ t.text }}" if isinstance(nothing, dict) else "{{ t[0].text }}"
    if isinstance(nothing, dict):
        rows[0]["t"] = {"text": "It is 1"}
    chosen = settings(
        train=jsonl(tmp_path / "a.jsonl", rows), columns={**BASE["columns"], "trace": path}
    )

    assert [question.trace for question in load(chosen).train] == ["It is 1", None]


def test_messages_are_the_system_text_and_the_question_with_the_instruction(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", numbered(1))
    [question] = load(
        settings(train=source, system="Be brief.", instruction="Just the number.")
    ).train

    assert [(message.role, message.content) for message in question.messages] == [
        ("system", "Be brief."),
        ("user", "What is 0 + 0?\n\nJust the number."),
    ]


def test_no_trace_at_all_is_refused_where_the_method_needs_one(tmp_path: Path) -> None:
    chosen = settings(train=jsonl(tmp_path / "a.jsonl", numbered(3)))

    assert refusal(chosen, needs_traces=True) == [
        "data=mine, train: the method learns from expert traces, and no question has one;"
        " map them with data.columns.trace, and see data.traces"
    ]


def overlapping(tmp_path: Path, policy: str) -> DataSettings:
    train = [*numbered(4), {"q": "what is 1+0", "a": "1"}]
    return settings(
        train=jsonl(tmp_path / "train.jsonl", train),
        dev=jsonl(tmp_path / "dev.jsonl", [*numbered(1, start=2), *numbered(1, start=8)]),
        test={
            "held": jsonl(tmp_path / "held.jsonl", [*numbered(1, start=3), *numbered(1, start=8)])
        },
        instruction="Just the number.",
        on_overlap=policy,
    )


def test_questions_shared_between_splits_are_refused(tmp_path: Path) -> None:
    remedy = "; mend the row, or set data.on_overlap=drop"

    assert refusal(overlapping(tmp_path, "refuse")) == [
        f"data=mine, dev row 2: the same question as held row 2{remedy}",
        f"data=mine, train row 3: the same question as dev row 1{remedy}",
        f"data=mine, train row 4: the same question as held row 1{remedy}",
        f"data=mine, train row 5: the same question as row 2{remedy}",
    ]


def test_questions_shared_between_splits_are_dropped_from_the_earlier_one_and_counted(
    tmp_path: Path,
) -> None:
    loaded = load(overlapping(tmp_path, "drop"))

    assert [question.answer for question in loaded.train] == ["0", "1"]
    assert [question.answer for question in loaded.dev] == ["2"]
    assert [question.answer for question in loaded.test["held"]] == ["3", "8"]
    assert loaded.notes == [
        "dev: 1 row dropped: also in held (first: row 2)",
        "train: 1 row dropped: also in dev (first: row 3)",
        "train: 1 row dropped: also in held (first: row 4)",
        "train: 1 row dropped: the question comes twice (first: row 5)",
        SHARED_NONE,
        "train: 2 questions, 0 with a trace",
        "dev: 1 question",
        "held: 2 questions",
    ]


def test_a_benchmark_keeps_a_question_that_comes_twice(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", [*numbered(1), *numbered(1)])
    [first, second] = load(settings(test={"held": source})).test["held"]

    assert first.question == second.question
    assert first.id != second.id


def held_out(tmp_path: Path, rows: Sequence[dict[str, str]], **changes: Any) -> Questions:
    return load(settings(train=jsonl(tmp_path / "a.jsonl", rows), **{"dev": 10, **changes}))


def test_held_out_questions_are_in_one_split_only(tmp_path: Path) -> None:
    loaded = held_out(tmp_path, numbered(50))
    dev, train = ({question.id for question in split} for split in (loaded.dev, loaded.train))

    assert (len(dev), len(train), dev & train) == (10, 40, set())


def test_held_out_questions_hardly_change_when_rows_are_added_or_moved(tmp_path: Path) -> None:
    before = {question.question for question in held_out(tmp_path, numbered(50)).dev}
    moved = {question.question for question in held_out(tmp_path, numbered(50)[::-1]).dev}
    more = {question.question for question in held_out(tmp_path, numbered(55)).dev}

    assert before == moved
    # A new row can only displace one: no question that was in train may come into dev.
    assert not more & {row["q"] for row in numbered(50)} - before


def test_another_seed_holds_out_other_questions(tmp_path: Path) -> None:
    first, second = (held_out(tmp_path, numbered(50), dev_seed=seed).dev for seed in (0, 1))

    assert first != second


def test_evaluation_alone_sees_the_same_dev_and_no_training_questions(tmp_path: Path) -> None:
    chosen = settings(train=jsonl(tmp_path / "a.jsonl", numbered(50)), columns=TRACED, dev=10)
    alone = load(chosen, train=False)

    assert alone.train == []
    assert alone.dev == load(chosen).dev


def test_holding_out_everything_is_refused(tmp_path: Path) -> None:
    chosen = settings(train=jsonl(tmp_path / "a.jsonl", numbered(3)), dev=3)

    assert refusal(chosen) == [
        "data=mine, dev: data.dev = 3: train has only 3 questions; hold out fewer"
    ]


def test_only_training_questions_carry_traces(tmp_path: Path) -> None:
    chosen = settings(
        train=jsonl(tmp_path / "a.jsonl", numbered(5)),
        test={"held": jsonl(tmp_path / "b.jsonl", numbered(2, start=9))},
        columns=TRACED,
        dev=2,
    )
    loaded = load(chosen)

    assert all(question.trace for question in loaded.train)
    assert not any(question.trace for question in [*loaded.dev, *loaded.test["held"]])


def traced(tmp_path: Path, traces: int | float | None, seed: int = 0) -> set[str]:
    source = jsonl(tmp_path / "a.jsonl", numbered(40))
    loaded = load(settings(train=source, columns=TRACED, traces=traces, traces_seed=seed))
    assert len(loaded.train) == 40
    return {question.id for question in loaded.train if question.trace is not None}


def test_traces_are_kept_by_count_or_share(tmp_path: Path) -> None:
    sizes = [len(traced(tmp_path, traces)) for traces in (None, 0, 7, 0.25, 1, 1.0)]

    assert sizes == [40, 0, 7, 10, 1, 40]


def test_more_traces_include_those_of_fewer(tmp_path: Path) -> None:
    assert traced(tmp_path, 5) < traced(tmp_path, 12) < traced(tmp_path, 0.5)
    assert traced(tmp_path, 12) != traced(tmp_path, 12, seed=1)


def test_more_traces_than_there_are_is_refused(tmp_path: Path) -> None:
    chosen = settings(train=jsonl(tmp_path / "a.jsonl", numbered(4)), columns=TRACED, traces=5)

    assert refusal(chosen) == [
        "data=mine, train: data.traces = 5: only 4 questions have a trace; give at most that"
    ]


def test_a_fingerprint_changes_with_any_field_and_with_nothing_else(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", numbered(4))
    chosen = settings(train=source, columns=TRACED)
    prints = [
        load(changed).fingerprint["train"]
        for changed in (
            chosen,
            chosen.model_copy(update={"name": "other"}),
            chosen.model_copy(update={"traces": 3}),
            chosen.model_copy(update={"system": "Be brief."}),
        )
    ]

    assert prints[0] == prints[1]
    assert len(set(prints)) == 3
