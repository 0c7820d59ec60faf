from hybrid_rl.recording.budget import (
    Spent,
    UpdateCost,
    limits_of,
    passes,
    progress,
    reached,
    within_reach,
)
from hybrid_rl.types import Demonstration


def test_flops_count_two_per_token_read_and_six_per_token_learned_from() -> None:
    cost = UpdateCost(prompt_tokens=10, generated_tokens=20, backward_tokens=25, reference_tokens=5)
    assert cost.flops(parameters=100) == 100 * (2 * (10 + 20 + 5) + 6 * 25)


def test_a_trace_is_counted_once_by_the_most_that_was_shown_of_it() -> None:
    spent = Spent()
    for shown in ({"a": 3}, {"a": 7, "b": 2}, {"a": 5}):
        cost = UpdateCost()
        for example_id, tokens in shown.items():
            cost.show_trace(example_id, tokens)
        spent.add(cost, parameters=1)
    assert spent.axes()["traces_used"] == 2
    assert spent.axes()["trace_tokens_used"] == 7 + 2


def test_a_divergence_costs_the_pass_of_the_reference_and_alone_one_of_the_policy() -> None:
    rows = [Demonstration((1, 2), (3,)), Demonstration((1,), (4, 5, 6))]
    learned = UpdateCost(backward_tokens=7)
    learned.measure_divergence(rows, alone=False)
    assert (learned.backward_tokens, learned.reference_tokens) == (7, 7)
    probe = UpdateCost(backward_tokens=7)
    probe.measure_divergence(rows, alone=True)
    assert (probe.backward_tokens, probe.reference_tokens) == (0, 14)


def test_costs_of_two_ranks_add_up() -> None:
    one = UpdateCost(generated_tokens=5, verifier_calls=2, trace_tokens={"a": 3})
    one.outcomes["correct"] = 2
    other = UpdateCost(generated_tokens=7, verifier_calls=1, trace_tokens={"a": 4, "b": 1})
    other.outcomes.update(correct=1, wrong=3)
    one.add(other)
    assert (one.generated_tokens, one.verifier_calls) == (12, 3)
    assert one.outcomes == {"correct": 3, "wrong": 3}
    assert one.trace_tokens == {"a": 4, "b": 1}


def test_a_limit_is_reached_when_it_is_met_and_null_never_is() -> None:
    limits = {"generated_tokens": 1000, "flops": None, "wall_seconds": 2.5}
    spent = {"generated_tokens": 999, "flops": 1e18, "wall_seconds": 2.4}
    assert reached(limits, spent) is None
    assert reached(limits, spent | {"wall_seconds": 2.5}) == "budget.wall_seconds = 2.5"
    assert reached(limits, spent | {"generated_tokens": 1000}) == "budget.generated_tokens = 1,000"


def test_epochs_are_a_limit_beside_those_of_the_budget() -> None:
    settings = {"train": {"steps": 9, "epochs": 1.5}, "budget": {"flops": None}}
    limits = limits_of(settings)
    assert limits == {"flops": None, "epochs": 1.5}
    assert reached(limits, {"epochs": 1.4}) is None
    assert reached(limits, {"epochs": 1.5}) == "train.epochs = 1.5"
    assert limits_of({}) == {"epochs": None}  # of a run of before there was such a limit


def test_device_seconds_count_every_device() -> None:
    spent = Spent()
    spent.clock(2.0, devices=4)
    spent.clock(1.0, devices=4)
    assert (spent.axes()["wall_seconds"], spent.axes()["device_seconds"]) == (3.0, 12.0)


def test_progress_is_that_of_the_limit_that_is_nearest() -> None:
    limits = {"flops": 6e11, "generated_tokens": 1000, "traces_used": None}
    spent = {"flops": 1.5e11, "generated_tokens": 100, "traces_used": 64}
    assert progress(0, 300, limits, {}) == 0.0
    assert progress(30, 300, {}, spent) == 0.1
    assert progress(30, 300, limits, spent) == 0.25
    assert progress(90, 300, limits, spent) == 0.3
    assert progress(90, 300, limits, spent | {"generated_tokens": 400}) == 0.4


def test_multiples_are_passed_once_each_whatever_rounding_does() -> None:
    """Every 0.07 of 100 steps is passed with every seventh; unequal updates pass with the one that reaches it."""
    found = [s for s in range(1, 101) if passes(0.07, (s - 1) / 100, s / 100)]
    assert found == list(range(7, 101, 7))
    assert not passes(0.25, 0.25, 0.4999)
    assert passes(0.25, 0.2, 0.25)
    assert passes(0.25, 0.1, 0.8)


def test_a_limit_of_more_traces_than_there_are_never_ends_a_run() -> None:
    limits = {"flops": 9.0, "traces_used": 4, "trained_tokens": None}
    assert within_reach(limits, 4) == limits
    assert within_reach(limits, 3) == {"flops": 9.0, "traces_used": None, "trained_tokens": None}
