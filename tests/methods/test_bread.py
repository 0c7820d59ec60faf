"""BREAD: which groups are replaced, by what, what is noted, and the controls."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hybrid_rl.methods.bread import Bread, BreadSettings, informative
from hybrid_rl.types import Attempt, Example, Group, Result, Rollout, Trace, Verdict

RIGHT, WRONG = Verdict("correct", 1.0), Verdict("wrong", 0.0)


def settings(**changed: Any) -> BreadSettings:
    values: dict[str, Any] = {
        "name": "bread",
        "group_size": 8,
        "on_failure": "search",
        "episodes": 10,
        "order": "bisect",
        "low": None,
        "high": None,
        "max_probes": None,
        "warm_start": False,
        "max_prefix_share": 1.0,
        "max_prefix_tokens": None,
    }
    return BreadSettings.model_validate(values | changed)


def question(name: str, lines: int | None = 10) -> Example:
    """A question whose trace has one token a line; the answer is never stated in it."""
    if lines is None:
        return Example(name, (1, 2), name, "42")
    text = "\n".join("x" * lines)
    trace = Trace(text, tuple(range(100, 100 + lines)), tuple(range(1, 2 * lines, 2)), len(text))
    return Example(name, (1, 2), name, "42", trace)


class Student:
    """Answers `round(rate * G)` rollouts of each group right, the first ones; counts its calls."""

    def __init__(self, rate: Callable[[Example, int], float], size: int = 8) -> None:
        self.rate, self.size = rate, size
        self.calls: list[list[Attempt]] = []

    def __call__(self, attempts: Sequence[Attempt]) -> list[Rollout]:
        self.calls.append(list(attempts))
        rollouts = []
        for index, attempt in enumerate(attempts):
            right = index % self.size < round(
                self.rate(attempt.example, len(attempt.prefix)) * self.size
            )
            rollouts.append(Rollout((len(self.calls), index), RIGHT if right else WRONG))
        return rollouts


def method(*examples: Example, **changed: Any) -> Bread:
    return Bread(settings(**changed), {e.id: e for e in examples}, seed=0, steps=10)


def results(groups: Sequence[Group]) -> list[Result]:
    """As the trainer reports them."""
    return [
        Result(g.example.id, g.correct, len(g.rollouts), len(g.prefix), g.trained, g.note)
        for g in groups
    ]


def test_a_group_with_one_correct_rollout_stays_as_it_is() -> None:
    easy = question("easy")
    student = Student(lambda example, prefix: 1 / 8)
    (group,) = method(easy).rollout(0, [easy], student)
    assert group.prefix == ()
    assert group.trained
    assert group.note == {"passed": 1, "triggered": False, "outcome": "unguided"}
    assert [len(call) for call in student.calls] == [8, 0, 0, 0, 0]


def test_the_rollouts_of_the_chosen_probe_are_the_group() -> None:
    hard = question("hard")
    student = Student(lambda example, prefix: max(0, prefix - 4) / 8)
    (group,) = method(hard).rollout(0, [hard], student)
    # Probes 5 (one of 8 is in range), then 2, 3 and 4: the group comes from the second call.
    assert group.prefix == (100, 101, 102, 103, 104)
    assert [rollout.completion for rollout in group.rollouts] == [(2, i) for i in range(8)]
    assert group.trained
    assert group.note == {
        "passed": 0,
        "triggered": True,
        "outcome": "anchor",
        "episodes": 10,
        "probes": [[5, 0.125], [2, 0.0], [3, 0.0], [4, 0.0]],
        "anchor": 5,
        "prefix_share": 0.5,
        "shows_answer": False,
    }


def test_every_rollout_of_a_probe_has_the_same_prefix_and_samples_its_own_completion() -> None:
    hard = question("hard")
    student = Student(lambda example, prefix: 0.5 if prefix > 4 else 0)
    method(hard).rollout(0, [hard], student)
    assert student.calls[1] == [Attempt(hard, prefix=(100, 101, 102, 103, 104))] * 8


def test_failing_questions_are_searched_together_and_keep_their_places() -> None:
    questions = [question("a"), question("easy"), question("b", lines=4), question("c", lines=None)]
    needed = {"a": 7, "easy": 0, "b": 1, "c": 99}
    student = Student(lambda example, prefix: 0.5 if prefix >= needed[example.id] else 0)
    groups = method(*questions).rollout(0, questions, student)
    assert [group.example.id for group in groups] == ["a", "easy", "b", "c"]
    assert [len(group.prefix) for group in groups] == [7, 0, 1, 0]
    assert [group.trained for group in groups] == [True, True, True, False]
    assert [group.note["outcome"] for group in groups] == [
        "anchor",
        "unguided",
        "anchor",
        "dropped: no trace",
    ]
    # a probes 5, 7 and 6; b, with three prefixes, 2 and 1; both in the same calls.
    assert [len(call) // 8 for call in student.calls] == [4, 2, 2, 1, 0]


@pytest.mark.parametrize(
    ("changed", "calls"),
    [
        ({}, 5),
        ({"warm_start": True}, 6),
        ({"order": "linear"}, 10),
        ({"order": "random"}, 2),
        ({"max_probes": 2}, 3),
        ({"episodes": 4}, 3),
        ({"on_failure": "expert_in_group"}, 2),
        ({"on_failure": "extra_rollouts"}, 2),
        ({"on_failure": "none"}, 1),
    ],
)
@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_the_number_of_calls_depends_on_settings_only(
    changed: dict[str, Any], calls: int, rate: float
) -> None:
    lots = [question("a"), question("b", 3), question("c", None)]
    for batch in (lots, lots[:1], lots[2:], []):
        student = Student(lambda example, prefix: rate)
        groups = method(*lots, **changed).rollout(0, batch, student)
        assert len(student.calls) == calls
        assert [len(group.rollouts) for group in groups] == [8] * len(batch)


def test_a_remark_says_so_where_most_traces_give_a_search_few_prefixes() -> None:
    # 3, 3 and 9 prefixes, the longest 3/4, 3/4 and 9/10 of its trace.
    few = [question("a", 4), question("b", 10), question("c", 4), question("d", None)]
    assert settings().remarks(few) == [
        "method.episodes = 10: 2 of 3 traces give fewer than 4 prefixes to search (mean 5.0, the longest 80% of its"
        " trace); set method.episodes=4, which most traces give, or use traces of more sentences, or with each step on"
        " a line of its own"
    ]
    assert settings().remarks([*few, question("e", 5)]) == []  # half of them have enough
    (limited,) = settings(max_prefix_share=0.3).remarks([question("a", 10)], "method.bread")
    assert limited.startswith("method.bread.episodes = 10: 1 of 1 traces")
    assert "(mean 3.0, the longest 30% of its trace); set method.bread.episodes=4" in limited


def test_a_remark_looks_at_a_thousand_traces_or_two() -> None:
    (remark,) = settings().remarks([question(str(i), 2) for i in range(2500)])
    assert "1,250 of 1,250 traces give" in remark


@pytest.mark.parametrize(
    "changed",
    [{"episodes": 4}, {"on_failure": "none"}, {"on_failure": "expert_in_group"}],
)
def test_nothing_is_remarked_where_no_search_wants_more(changed: dict[str, Any]) -> None:
    few = [question("a", 3), question("b", 3)]
    assert len(settings().remarks(few)) == 1
    assert settings(**changed).remarks(few) == []


def test_what_even_the_longest_prefix_does_not_solve_is_not_trained_on() -> None:
    hard = question("hard")
    student = Student(lambda example, prefix: 0)
    (group,) = method(hard).rollout(0, [hard], student)
    assert (group.prefix, group.trained, group.correct) == ((), False, 0)
    assert [rollout.completion[0] for rollout in group.rollouts] == [1] * 8
    assert group.note == {
        "passed": 0,
        "triggered": True,
        "outcome": "dropped: longest prefix fails",
        "episodes": 10,
        "probes": [[5, 0.0], [7, 0.0], [8, 0.0], [9, 0.0]],
        "anchor": None,
    }


@pytest.mark.parametrize(
    ("example", "changed", "outcome"),
    [
        (question("q", lines=None), {}, "dropped: no trace"),
        (question("q", lines=1), {}, "dropped: no usable cut"),
        (question("q"), {"max_prefix_share": 0.05}, "dropped: no usable cut"),
        (question("q"), {"max_probes": 1}, "dropped: no mixed probe"),
    ],
)
def test_the_reason_for_dropping_a_question_is_noted(
    example: Example, changed: dict[str, Any], outcome: str
) -> None:
    student = Student(lambda _, prefix: 0)
    (group,) = method(example, **changed).rollout(0, [example], student)
    assert (group.note["outcome"], group.trained) == (outcome, False)


def test_all_or_nothing_is_dropped_and_called_so() -> None:
    hard = question("hard")
    student = Student(lambda _, prefix: prefix > 6)
    (group,) = method(hard).rollout(0, [hard], student)
    assert (group.note["outcome"], group.trained) == ("dropped: no mixed probe", False)


def test_the_mixed_fallback_is_noted() -> None:
    hard = question("hard")
    student = Student(lambda _, prefix: {8: 1 / 8, 9: 7 / 8}.get(prefix, 0))
    (group,) = method(hard, low=0.2, high=0.8).rollout(0, [hard], student)
    assert (group.note["outcome"], group.note["anchor"]) == ("mixed fallback", 8)
    assert (group.trained, len(group.prefix)) == (True, 8)


@pytest.mark.parametrize("changed", [{"max_prefix_share": 0.5}, {"max_prefix_tokens": 5}])
def test_a_budget_bounds_the_prefix(changed: dict[str, Any]) -> None:
    hard = question("hard")
    student = Student(lambda _, prefix: 0)
    (group,) = method(hard, **changed).rollout(0, [hard], student)
    assert [k for k, _ in group.note["probes"]] == [3, 4, 5]
    assert max(len(a.prefix) for call in student.calls for a in call) == 5


def test_a_prefix_that_contains_the_answer_is_flagged() -> None:
    trace = Trace("so 42\nthen\nend", (7, 8, 9), (5, 10, 14), 14)
    hard = Example("hard", (1,), "q", "42", trace)
    student = Student(lambda _, prefix: 0.5 if prefix else 0)
    (group,) = method(hard).rollout(0, [hard], student)
    assert group.note["shows_answer"] is True


def test_a_random_anchor_is_one_probe_the_same_on_every_run() -> None:
    hard = question("hard")
    chosen = []
    for step in range(30):
        student = Student(lambda _, prefix: 0.5 if prefix else 0)
        bread = method(hard, order="random")
        (group,) = bread.rollout(step, [hard], student)
        assert group.prefix == bread.rollout(step, [hard], student)[0].prefix
        chosen.append(group.note["anchor"])
    assert set(chosen) == set(range(1, 10))


def test_the_expert_takes_the_place_of_the_last_rollout() -> None:
    questions = [question("hard"), question("untraced", lines=None)]

    def student(attempts: Sequence[Attempt]) -> list[Rollout]:
        return [
            Rollout((*a.completion, 0), RIGHT) if a.completion else Rollout((5,), WRONG)
            for a in attempts
        ]

    groups = method(*questions, on_failure="expert_in_group").rollout(0, questions, student)
    assert [rollout.completion for rollout in groups[0].rollouts] == [
        *[(5,)] * 7,
        (*range(100, 110), 0),
    ]
    assert (groups[0].correct, groups[0].prefix, groups[0].trained) == (1, (), True)
    assert [group.note["outcome"] for group in groups] == ["expert in group", "dropped: no trace"]
    assert not groups[1].trained


def test_extra_rollouts_cost_as_much_as_the_longest_search_and_make_a_mixed_group() -> None:
    hard = question("hard")

    def student(attempts: Sequence[Attempt]) -> list[Rollout]:
        return [Rollout((i,), RIGHT if i == 20 else WRONG) for i in range(len(attempts))]

    (group,) = method(hard, on_failure="extra_rollouts").rollout(0, [hard], student)
    assert [rollout.completion for rollout in group.rollouts] == [(20,), *((i,) for i in range(7))]
    assert (group.prefix, group.trained, group.correct) == ((), True, 1)
    assert group.note["outcome"] == "extra rollouts"
    assert (group.note["extra"], group.note["extra_correct"]) == (32, 1)


def test_extra_rollouts_that_all_fail_change_nothing() -> None:
    hard = question("hard")
    student = Student(lambda _, prefix: 0)
    (group,) = method(hard, on_failure="extra_rollouts").rollout(0, [hard], student)
    assert [len(call) for call in student.calls] == [8, 32]
    assert [rollout.completion for rollout in group.rollouts] == [(1, i) for i in range(8)]
    assert (group.trained, group.note["outcome"]) == (False, "dropped: extra rollouts fail")


@pytest.mark.parametrize(
    ("right", "taken"), [(0, 0), (1, 1), (2, 2), (3, 2), (5, 2), (7, 3), (8, 4)]
)
def test_the_informative_rollouts_are_mixed_and_half_and_half_if_possible(
    right: int, taken: int
) -> None:
    pool = [Rollout((i,), RIGHT if i < right else WRONG) for i in range(8)]
    chosen = informative(pool, 4)
    assert len(chosen) == 4
    assert sum(rollout.verdict.correct for rollout in chosen) == taken


def test_without_a_remedy_the_groups_are_those_of_grpo() -> None:
    hard = question("hard")
    student = Student(lambda _, prefix: 0)
    (group,) = method(hard, on_failure="none").rollout(0, [hard], student)
    assert (group.trained, group.prefix) == (True, ())
    assert (group.note["triggered"], group.note["outcome"]) == (True, "kept")


def test_a_warm_start_uses_the_anchor_that_any_rank_reported() -> None:
    hard = question("hard")
    mine, other = method(hard, warm_start=True), method(hard, warm_start=True)
    student = Student(lambda _, prefix: 0.5 if prefix >= 3 else 0)
    reported = results(mine.rollout(0, [hard], student))
    other.observe_results(0, reported)
    (group,) = other.rollout(1, [hard], student)
    assert [k for k, _ in group.note["probes"]] == [3, 1, 2]


def test_a_drop_or_a_pass_leaves_the_last_anchor() -> None:
    bread = method(question("q"))
    bread.observe_results(0, [Result("q", 4, 8, 5, True, {"outcome": "anchor", "anchor": 5})])
    bread.observe_results(1, [Result("q", 0, 8, note={"outcome": "dropped: x", "anchor": None})])
    bread.observe_results(2, [Result("q", 8, 8, note={"outcome": "unguided"})])
    assert bread.anchors == {"q": 5}


def test_state_survives_json_and_the_totals_stand_in_the_decision_log() -> None:
    questions = [question("hard"), question("easy")]
    student = Student(lambda example, prefix: 0.5 if prefix >= 7 or example.id == "easy" else 0)
    bread = method(*questions)
    groups = bread.rollout(0, questions, student)
    bread.observe_results(0, results(groups))
    restored = method(*questions)
    restored.load_state_dict(json.loads(json.dumps(bread.state_dict())))
    assert restored.anchors == {"hard": 7}
    assert restored.next_update(1, 0.0).kind == "rl"
    assert restored.next_update(1, 0.0).note == {
        "anchor": 1,
        "unguided": 1,
        "probes": 3,
        "prefix_tokens": 7,
    }
