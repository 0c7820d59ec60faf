"""ReLIFT: what is hardest, the buffer, when it feeds an SFT update, the controls."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hybrid_rl.methods import relift
from hybrid_rl.methods.relift import Buffer, Relift, ReliftSettings
from hybrid_rl.types import WHOLE_RUN, Example, Result, Trace, Update

AUTHORS_CODE = {
    "order": "lifo",
    "dedupe": False,
    "drop_solved": False,
    "max_age_epochs": None,
    "capacity_batches": None,
}


def question(example_id: str, traced: bool = True) -> Example:
    trace = Trace("1 + 1 = 2", (4, 5), (5, 9), answer_start=8) if traced else None
    return Example(example_id, (1, 2), "1 + 1", "2", trace)


def pool(count: int, traceless: Iterable[int] = ()) -> dict[str, Example]:
    without = set(traceless)
    return {f"q{i}": question(f"q{i}", i not in without) for i in range(count)}


def build(examples: dict[str, Example], seed: int = 0, steps: int = 100, **changes: Any) -> Relift:
    values: dict[str, Any] = {
        "name": "relift",
        "group_size": 8,
        "batch_size": 2,
        "entropy_bonus": 1e-4,
        "order": "fifo",
        "dedupe": True,
        "drop_solved": True,
        "max_age_epochs": None,
        "capacity_batches": None,
        "moments": "shared",
        "select": "hardest",
        "every": None,
    }
    return Relift(ReliftSettings(**{**values, **changes}), examples, seed, steps)


def rl(method: Relift, step: int, hard: Iterable[str] = (), easy: Iterable[str] = ()) -> None:
    """An RL update whose groups solved the easy questions once in 8, the hard ones never."""
    assert method.next_update(step, 0.0).kind == "rl"
    method.observe_results(step, [Result(i, 0, 8) for i in hard] + [Result(i, 1, 8) for i in easy])


def ids(update: Update) -> list[str]:
    return [example.id for example in update.examples]


def names(first: int, last: int) -> list[str]:
    return [f"q{i}" for i in range(first, last)]


def waiting(buffer: Buffer) -> list[str]:
    return [entry.example_id for entry in buffer.entries]


def test_questions_whose_failures_all_lack_an_answer() -> None:
    some: list[dict[Any, int]] = [{"truncated": 5, "unparseable": 3}, {"truncated": 7, "wrong": 1}]
    results = [Result(name, 0, 8, outcomes=found) for name, found in zip("ab", some, strict=True)]
    assert relift.answerless(results) == {"a"}


def test_hardest_questions_have_no_correct_rollout() -> None:
    results = [Result("a", 0, 8), Result("b", 1, 8), Result("c", 0, 8), Result("d", 8, 8)]
    assert relift.unsolved(results) == ["a", "c"]


def test_a_question_sampled_twice_is_hardest_once_and_only_if_never_solved() -> None:
    results = [Result("a", 0, 8), Result("b", 0, 8), Result("a", 0, 8), Result("b", 1, 8)]
    assert relift.unsolved(results) == ["a"]


def test_fifo_serves_the_longest_wait_and_keeps_the_rest() -> None:
    buffer = Buffer("fifo", dedupe=True, capacity=None)
    buffer.push(["a", "b"], now=1)
    buffer.push(["c"], now=2)
    assert [entry.example_id for entry in buffer.pop(2)] == ["a", "b"]
    assert waiting(buffer) == ["c"]


def test_lifo_serves_the_newest_batch_in_its_own_order() -> None:
    buffer = Buffer("lifo", dedupe=True, capacity=None)
    buffer.push(["a", "b"], now=1)
    buffer.push(["c", "d"], now=2)
    assert [entry.example_id for entry in buffer.pop(3)] == ["c", "d", "a"]
    assert waiting(buffer) == ["b"]


def test_a_waiting_question_keeps_its_place_and_becomes_younger() -> None:
    buffer = Buffer("fifo", dedupe=True, capacity=None)
    buffer.push(["a", "b"], now=1)
    buffer.push(["c", "a"], now=5)
    assert buffer.state_dict() == [["a", 5], ["b", 1], ["c", 5]]
    assert buffer.expire(oldest=2) == 1
    assert waiting(buffer) == ["a", "c"]


def test_without_dedupe_a_question_waits_as_often_as_it_failed() -> None:
    buffer = Buffer("lifo", dedupe=False, capacity=None)
    buffer.push(["a", "b"], now=1)
    buffer.push(["a"], now=2)
    assert waiting(buffer) == ["a", "a", "b"]


@pytest.mark.parametrize(("order", "left"), [("fifo", ["b", "c"]), ("lifo", ["c", "a"])])
def test_beyond_the_capacity_the_longest_wait_is_dropped(order: Any, left: list[str]) -> None:
    buffer = Buffer(order, dedupe=True, capacity=2)
    assert buffer.push(["a", "b"], now=1) == 0
    assert buffer.push(["c"], now=2) == 1
    assert waiting(buffer) == left


batches = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=8)


@hypothesis_settings(max_examples=50, derandomize=True, deadline=None)
@given(batches, st.sampled_from(["fifo", "lifo"]), st.integers(1, 5), st.integers(0, 3))
def test_no_question_waits_twice_and_none_is_lost(
    pushed: list[list[str]], order: Any, capacity: int, popped: int
) -> None:
    buffer = Buffer(order, dedupe=True, capacity=capacity)
    for now, batch in enumerate(pushed):
        before = set(waiting(buffer))
        lost = buffer.push(batch, now)
        assert len(waiting(buffer)) == len(set(waiting(buffer))) <= capacity
        assert len(before | set(batch)) == len(buffer) + lost
        served = [entry.example_id for entry in buffer.pop(popped)]
        assert not set(served) & set(waiting(buffer))


@hypothesis_settings(max_examples=50, derandomize=True, deadline=None)
@given(batches)
def test_fifo_order_is_that_of_first_failure(pushed: list[list[str]]) -> None:
    buffer = Buffer("fifo", dedupe=True, capacity=None)
    for now, batch in enumerate(pushed):
        buffer.push(batch, now)
    assert waiting(buffer) == list(dict.fromkeys(i for batch in pushed for i in batch))


@hypothesis_settings(max_examples=50, derandomize=True, deadline=None)
@given(batches)
def test_lifo_without_dedupe_is_the_concatenation_of_newer_and_older(
    pushed: list[list[str]],
) -> None:
    buffer = Buffer("lifo", dedupe=False, capacity=None)
    for now, batch in enumerate(pushed):
        buffer.push(batch, now)
    assert waiting(buffer) == [i for batch in reversed(pushed) for i in batch]


@pytest.mark.parametrize(
    ("changes", "served", "left"),
    [
        ({}, names(0, 128), names(128, 150)),
        (AUTHORS_CODE, names(100, 150) + names(40, 100) + names(0, 18), names(18, 40)),
    ],
)
def test_scripted_run_of_40_60_and_50_hard_questions(
    changes: dict[str, Any], served: list[str], left: list[str]
) -> None:
    method = build(pool(400), batch_size=128, **changes)
    rl(method, 0, hard=names(0, 40), easy=names(200, 288))
    rl(method, 1, hard=names(40, 100), easy=names(300, 368))
    rl(method, 2, hard=names(100, 150), easy=names(200, 278))
    update = method.next_update(3, 0.0)
    assert update.kind == "sft"
    assert ids(update) == served
    assert waiting(method.buffer) == left
    assert method.next_update(4, 0.0).kind == "rl"


def test_sft_update_carries_entropy_bonus_and_reasons() -> None:
    method = build(pool(4), entropy_bonus=0.25)
    rl(method, 0, hard=["q1"], easy=["q0"])
    rl(method, 1, hard=["q2"], easy=["q3"])
    update = method.next_update(2, 0.0)
    assert update.entropy_bonus == 0.25
    assert update.schedule_span == WHOLE_RUN
    assert update.note == {
        "buffer": 2,
        "oldest_epochs": 0.5,
        "without_trace": 0,
        "without_answer": 0,
        "solved": 0,
        "overflow": 0,
        "ids": ["q1", "q2"],
        "ages_epochs": [0.5, 0.0],
    }


def test_at_most_one_sft_update_follows_an_rl_update() -> None:
    method = build(pool(8))
    rl(method, 0, hard=names(0, 6))
    kinds = [method.next_update(1, 0.0).kind, method.next_update(2, 0.0).kind]
    assert kinds == ["sft", "rl"]
    method.observe_results(2, [Result("q7", 1, 8)])
    assert ids(method.next_update(3, 0.0)) == ["q2", "q3"]


def test_easy_data_is_plain_rl() -> None:
    method = build(pool(4))
    for step in range(20):
        rl(method, step, easy=names(0, 4))
    assert len(method.buffer) == 0


def test_exact_drain_leaves_an_empty_buffer() -> None:
    method = build(pool(4), **AUTHORS_CODE)
    rl(method, 0, hard=["q0", "q1"])
    assert ids(method.next_update(1, 0.0)) == ["q0", "q1"]
    assert len(method.buffer) == 0
    rl(method, 2, easy=["q2", "q3"])
    assert method.next_update(3, 0.0).kind == "rl"


def test_hopeless_data_alternates_and_stays_within_the_capacity() -> None:
    method = build(pool(64), capacity_batches=3)
    kinds = []
    for step in range(40):
        update = method.next_update(step, 0.0)
        kinds.append(update.kind)
        if update.kind == "rl":
            first = 4 * (step // 2) % 64
            method.observe_results(step, [Result(i, 0, 8) for i in names(first, first + 4)])
        assert len(method.buffer) <= 6
    assert kinds == ["rl", "sft"] * 20
    assert method.left["overflow"] > 0


def test_questions_without_a_trace_are_counted_and_skipped() -> None:
    method = build(pool(6, traceless=[0, 2]))
    rl(method, 0, hard=names(0, 4))
    assert ids(method.next_update(1, 0.0)) == ["q1", "q3"]
    assert method.next_update(2, 0.0).note["without_trace"] == 2


@pytest.mark.parametrize(("drop", "left"), [(True, ["q1"]), (False, ["q0", "q1"])])
def test_solved_questions_leave_the_buffer_if_told_to(drop: bool, left: list[str]) -> None:
    method = build(pool(4), batch_size=3, drop_solved=drop)
    rl(method, 0, hard=["q0", "q1"])
    rl(method, 1, easy=["q0", "q2"])
    assert waiting(method.buffer) == left
    assert method.left["solved"] == (1 if drop else 0)


def test_old_evidence_expires_after_so_many_epochs() -> None:
    method = build(pool(4), batch_size=3, max_age_epochs=1.0)
    rl(method, 0, hard=["q0"], easy=["q1"])
    rl(method, 1, easy=["q2", "q3"])
    rl(method, 2, easy=["q1", "q2"])
    assert waiting(method.buffer) == ["q0"]  # exactly one epoch old
    rl(method, 3, easy=["q3", "q1"])
    assert waiting(method.buffer) == []
    assert method.left["expired"] == 1


def test_random_control_takes_as_many_questions_of_the_same_batch() -> None:
    chosen: Counter[str] = Counter()
    for seed in range(200):
        method = build(pool(8, traceless=[7]), seed=seed, batch_size=3, select="random")
        rl(method, 0, hard=["q0", "q1", "q7"], easy=["q2", "q3"])
        assert len(method.buffer) == 2
        chosen.update(waiting(method.buffer))
    # Each of the four questions with a trace is drawn with probability 1/2: 100 +- 3 sigma.
    assert set(chosen) == {"q0", "q1", "q2", "q3"}
    assert all(abs(count - 100) <= 21 for count in chosen.values())


def test_random_control_keeps_questions_that_were_solved() -> None:
    method = build(pool(8), batch_size=5, select="random")
    rl(method, 0, hard=["q0", "q1"], easy=["q2", "q3"])
    before = waiting(method.buffer)
    rl(method, 1, easy=names(0, 4))
    assert waiting(method.buffer) == before


def test_fixed_interval_trains_on_what_the_buffer_holds() -> None:
    method = build(pool(8), batch_size=3, every=2)
    rl(method, 0, hard=["q0"], easy=["q1"])
    rl(method, 1, easy=["q2", "q3"])
    assert ids(method.next_update(2, 0.0)) == ["q0"]


def test_fixed_interval_falls_back_on_the_latest_rl_batch() -> None:
    method = build(pool(8, traceless=[1]), batch_size=2, every=1)
    rl(method, 0, easy=["q0", "q1", "q2", "q3"])
    update = method.next_update(1, 0.0)
    assert ids(update) == ["q0", "q2"]
    assert update.note["ids"] == ["q0", "q2"]
    assert update.note["ages_epochs"] == []


def test_fixed_interval_without_any_trace_stays_with_rl() -> None:
    method = build(pool(2, traceless=[0, 1]), every=1)
    rl(method, 0, hard=["q0", "q1"])
    assert method.next_update(1, 0.0).kind == "rl"


def play(method: Relift, steps: range) -> list[Update]:
    """A scripted run: of the four questions of an RL step, those that step % 3 divides fail."""
    updates = []
    for step in steps:
        updates.append(method.next_update(step, 0.0))
        if updates[-1].kind == "rl":
            batch = [(5 * step + i) % 32 for i in range(4)]
            method.observe_results(
                step, [Result(f"q{i}", int(i % (step % 3 + 1) > 0), 8) for i in batch]
            )
    return updates


@pytest.mark.parametrize(
    "changes", [{}, {"max_age_epochs": 0.5}, AUTHORS_CODE, {"select": "random"}, {"every": 3}]
)
def test_resume_repeats_the_decisions(changes: dict[str, Any]) -> None:
    examples = pool(32, traceless=[3, 9])
    whole, first, second = (build(examples, batch_size=3, **changes) for _ in range(3))
    expected = play(whole, range(60))
    play(first, range(25))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.state_dict() == first.state_dict()
    assert play(second, range(25, 60)) == expected[25:]
    assert {update.kind for update in expected[25:]} == {"rl", "sft"}


def test_two_ranks_with_the_same_events_agree() -> None:
    examples = pool(32)
    assert play(build(examples), range(40)) == play(build(examples), range(40))


@pytest.mark.parametrize(("every", "expected"), [(None, 50), (1, 50), (3, 25)])
def test_expected_sft_steps_is_the_most_there_can_be(every: int | None, expected: int) -> None:
    settings = build(pool(1), every=every).settings
    assert settings.plan(100).expected == expected


@pytest.mark.parametrize(
    ("moments", "names"), [("shared", ["shared", "shared"]), ("by_kind", ["rl", "sft"])]
)
def test_each_kind_may_have_its_own_moments(moments: str, names: list[str]) -> None:
    method = build(pool(4), moments=moments)
    first = method.next_update(0, 0.0)
    method.observe_results(0, [Result("q0", 0, 8), Result("q1", 0, 8)])
    updates = [first, method.next_update(1, 0.0)]
    assert [update.kind for update in updates] == ["rl", "sft"]
    assert [update.moments for update in updates] == names
    assert method.settings.moment_sets == len(set(names))
