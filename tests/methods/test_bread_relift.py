"""BREAD rollouts with ReLIFT's buffer: what is hopeless, and what each part is told."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from omegaconf import OmegaConf
from pydantic import ValidationError

from hybrid_rl.methods.bread_relift import BreadRelift, BreadReliftSettings
from hybrid_rl.types import Attempt, Example, Group, Result, Rollout, Trace, Verdict
from tests.fakes.composing import compose

RIGHT, WRONG = Verdict("correct", 1.0), Verdict("wrong", 0.0)


def settings(**changed: Any) -> BreadReliftSettings:
    """The shipped defaults, with a small group and a small SFT batch."""
    whole: Any = OmegaConf.to_container(compose("method=bread_relift"), resolve=True)
    values = whole["method"]
    del values["_target_"]
    values["group_size"] = values["bread"]["group_size"] = values["relift"]["group_size"] = 4
    values["relift"]["batch_size"] = 2
    return BreadReliftSettings.model_validate(values | changed)


def question(name: str, lines: int | None = 10) -> Example:
    """Solved from `int(name)` lines of the trace on; "never" is never solved."""
    if lines is None:
        return Example(name, (1,), name, "42")
    text = "\n".join("x" * lines)
    trace = Trace(text, tuple(range(lines)), tuple(range(1, 2 * lines, 2)), len(text))
    return Example(name, (1,), name, "42", trace)


def student(attempts: Sequence[Attempt]) -> list[Rollout]:
    """Half of each group of four is right where the prefix is long enough."""
    return [
        Rollout((5,), RIGHT if i % 4 < 2 and _solved(attempt) else WRONG)
        for i, attempt in enumerate(attempts)
    ]


def _solved(attempt: Attempt) -> bool:
    name = attempt.example.id.split("-")[0]
    return name != "never" and len(attempt.prefix) >= int(name)


def method(*examples: Example, **changed: Any) -> BreadRelift:
    """`changed` have the section first: bread__order; `moments` stands in two places."""
    values = settings().model_dump()
    if "moments" in changed:
        values["moments"] = values["relift"]["moments"] = changed.pop("moments")
    for key, value in changed.items():
        section, _, name = key.partition("__")
        values[section][name] = value
    chosen = BreadReliftSettings.model_validate(values)
    return BreadRelift(chosen, {e.id: e for e in examples}, seed=0, steps=10)


def rl_update(chosen: BreadRelift, step: int, examples: Sequence[Example]) -> list[Group]:
    groups = chosen.rollout(step, examples, student)
    results = [
        Result(g.example.id, g.correct, len(g.rollouts), len(g.prefix), g.trained, g.note)
        for g in groups
    ]
    chosen.observe_results(step, results)
    return groups


QUESTIONS = [
    question("0"),
    question("7"),
    question("never-a"),
    question("never-b", lines=1),
    question("never-c", lines=None),
]


def test_only_what_even_the_longest_prefix_does_not_solve_is_learned_from_its_trace() -> None:
    both = method(*QUESTIONS)
    assert both.next_update(0, 0.0).kind == "rl"
    groups = rl_update(both, 0, QUESTIONS)
    assert [len(group.prefix) for group in groups] == [0, 7, 0, 0, 0]
    assert [group.trained for group in groups] == [True, True, False, False, False]
    update = both.next_update(1, 0.0)
    assert update.kind == "sft"
    assert [example.id for example in update.examples] == ["never-a", "never-b"]
    assert both.next_update(2, 0.0).kind == "rl"


def test_an_all_or_nothing_question_is_not_beyond_reach() -> None:
    steep = question("7")

    def all_or_nothing(attempts: Sequence[Attempt]) -> list[Rollout]:
        return [Rollout((5,), RIGHT if _solved(attempt) else WRONG) for attempt in attempts]

    both = method(steep)
    (group,) = both.rollout(0, [steep], all_or_nothing)
    assert group.note["outcome"] == "dropped: no mixed probe"
    both.observe_results(0, [Result("7", 0, 4, 0, False, group.note)])
    assert len(both.relift.buffer) == 0


def test_a_question_that_a_prefix_opens_up_leaves_the_buffer() -> None:
    both = method(*QUESTIONS)
    rl_update(both, 0, [QUESTIONS[2]])
    assert [entry.example_id for entry in both.relift.buffer.entries] == ["never-a"]
    both.observe_results(1, [Result("never-a", 2, 4, 9, True, {"outcome": "anchor", "anchor": 9})])
    assert len(both.relift.buffer) == 0
    assert both.bread.anchors == {"never-a": 9}


@pytest.mark.parametrize(
    "changed",
    [
        {"bread__on_failure": "none"},
        {"bread__on_failure": "extra_rollouts"},
        {"bread__on_failure": "expert_in_group"},
        {"bread__max_probes": 2},
        {"bread__order": "random"},
    ],
)
def test_whatever_bread_does_instead_sft_follows_where_all_rollouts_failed(
    changed: dict[str, Any],
) -> None:
    questions = [question("0"), question("never-a"), question("never-b")]
    both = method(*questions, **changed)

    def with_expert(attempts: Sequence[Attempt]) -> list[Rollout]:
        """As `student`; the expert is right."""
        rollouts = student(attempts)
        given = [attempt.completion is not None for attempt in attempts]
        return [
            Rollout((5,), RIGHT) if expert else rollout
            for expert, rollout in zip(given, rollouts, strict=True)
        ]

    groups = both.rollout(0, questions, with_expert)
    both.observe_results(0, [Result.of(group) for group in groups])
    update = both.next_update(1, 0.0)
    assert update.kind == "sft"
    assert [example.id for example in update.examples] == ["never-a", "never-b"]


@pytest.mark.parametrize("on_failure", ["search", "expert_in_group"])
def test_the_log_counts_hardest_questions_without_any_answer(on_failure: str) -> None:
    cut_off, wrong = question("never-a"), question("never-b")
    both = method(cut_off, wrong, bread__on_failure=on_failure)

    def long_winded(attempts: Sequence[Attempt]) -> list[Rollout]:
        """Never to the end on one question; the expert is right."""
        verdicts = {True: Verdict("truncated", 0.0), False: WRONG}
        return [
            Rollout((5,), RIGHT if a.completion else verdicts[a.example is cut_off])
            for a in attempts
        ]

    groups = both.rollout(0, [cut_off, wrong], long_winded)
    both.observe_results(0, [Result.of(group) for group in groups])
    assert both.next_update(1, 0.0).note["relift"]["without_answer"] == 1


def test_the_clock_and_the_missing_traces_are_those_of_all_questions() -> None:
    both = method(*QUESTIONS, relift__batch_size=3)
    rl_update(both, 0, QUESTIONS)
    assert both.relift.questions_seen == 5
    assert both.relift.left["without_trace"] == 1
    assert both.relift.latest == ["0", "7", "never-a", "never-b"]
    for step in range(1, 3):
        assert both.next_update(step, 0.0).kind == "rl"
        rl_update(both, step, QUESTIONS[:2] * 2)
    assert both.relift.left["expired"] == 2


def test_the_state_of_both_survives_json() -> None:
    both, restored = method(*QUESTIONS), method(*QUESTIONS)
    rl_update(both, 0, QUESTIONS)
    restored.load_state_dict(json.loads(json.dumps(both.state_dict())))
    assert restored.state_dict() == both.state_dict()
    assert restored.next_update(1, 0.0) == both.next_update(1, 0.0)


def test_the_decision_log_has_both_notes() -> None:
    both = method(*QUESTIONS)
    rl_update(both, 0, QUESTIONS)
    note = both.next_update(1, 0.0).note
    assert note["bread"]["anchor"] == 1
    assert note["relift"]["buffer"] == 2


def test_the_work_is_estimated_as_for_relift() -> None:
    assert settings().plan(10).expected == 5


def test_both_parts_share_one_group_size() -> None:
    with pytest.raises(ValidationError) as raised:
        settings(group_size=8)
    assert raised.value.errors()[0]["msg"] == (
        "Value error, group_size, bread.group_size and relift.group_size must be equal; found "
        "8, 4, 4; set method.group_size alone"
    )


def test_both_parts_share_one_choice_of_moments() -> None:
    with pytest.raises(ValidationError) as raised:
        settings(moments="shared")
    assert raised.value.errors()[0]["msg"] == (
        "Value error, moments and relift.moments must be equal; found shared, by_kind;"
        " set method.moments alone"
    )


def test_what_bread_remarks_names_its_settings_in_the_combination() -> None:
    (remark,) = settings().remarks([question("0", lines=2)])
    assert remark.startswith("method.bread.episodes = 10: 1 of 1 traces give fewer than 4 prefixes")
    assert "set method.bread.episodes=2," in remark


def test_each_kind_may_have_its_own_moments() -> None:
    both = method(question("never-a"), question("never-b"), moments="by_kind")
    updates = [both.next_update(0, 0.0)]
    rl_update(both, 0, list(both.examples.values()))
    updates.append(both.next_update(1, 0.0))
    assert [(one.kind, one.moments) for one in updates] == [("rl", "rl"), ("sft", "sft")]
