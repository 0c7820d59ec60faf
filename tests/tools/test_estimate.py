"""The arithmetic of check=true, by hand."""

import pytest

from hybrid_rl.tools.estimate import Lengths, Shape, bought_by_budgets, lengths_of, memory, work
from hybrid_rl.types import Example, Trace
from tests.conftest import Load

FIXED = [
    "train.steps=10",
    "train.prompts_per_step=2",
    "train.max_completion_tokens=64",
    "train.sft.batch_size=4",
]


def test_lengths_are_means_and_a_trace_counts_its_end() -> None:
    trace = Trace("1 2", ids=(5, 6), ends=(1, 3), answer_start=3)
    examples = [
        Example("a", (1, 2, 3), "", "", trace, None),
        Example("b", (1,), "", "", None, None),
    ]
    assert lengths_of(examples) == Lengths(prompt=2, trace=3, traces=1, questions=2)
    assert lengths_of([]) == Lengths(prompt=0, trace=0, traces=0, questions=0)


def test_work_of_grpo(load: Load) -> None:
    settings = load("method=grpo", "method.group_size=8", *FIXED)
    found = work(settings, Lengths(prompt=20, trace=50, traces=64), parameters=1000)
    assert (found.sft_steps, found.rl_steps) == (0, 10)
    assert found.prompts == 20
    assert found.rollouts == 160
    assert found.generated_tokens == 10240
    assert found.trained_tokens == 10240
    assert (found.traces, found.trace_tokens) == (0, 0)
    # prompts and completions once through generate, once forward and backward
    assert found.flops == 1000 * (2 + 6) * 160 * (20 + 64)


def test_every_update_on_a_batch_is_work(load: Load) -> None:
    """The batch is sampled once, and the reference model reads it once."""
    several = ["train.rl.updates_per_batch=3", "train.rl.beta=0.1"]
    settings = load("method=grpo", "method.group_size=8", *several, *FIXED)
    found = work(settings, Lengths(prompt=20, trace=50, traces=64), parameters=1000)
    assert found.generated_tokens == 10240
    assert found.trained_tokens == 3 * 10240
    assert found.flops == 1000 * (2 + 2 + 3 * 6) * 160 * (20 + 64)


def test_work_of_sft(load: Load) -> None:
    settings = load("method=sft", *FIXED)
    found = work(settings, Lengths(prompt=20, trace=50, traces=64), parameters=None)
    assert (found.sft_steps, found.rl_steps, found.rollouts) == (10, 0, 0)
    assert found.trained_tokens == 10 * 4 * 50
    assert (found.traces, found.trace_tokens) == (40, 2000)
    assert found.flops is None


def test_work_of_both_is_the_sum(load: Load) -> None:
    both = ["method=sft_then_grpo", "method.group_size=8", "method.sft_fraction=0.4"]
    found = work(load(*both, *FIXED), Lengths(prompt=20, trace=50, traces=64), parameters=1000)
    assert (found.sft_steps, found.rl_steps) == (4, 6)
    assert found.generated_tokens == 6 * 2 * 8 * 64
    assert found.trained_tokens == 6 * 2 * 8 * 64 + 4 * 4 * 50
    assert found.flops == 1000 * (8 * 96 * 84 + 6 * 16 * 70)


def test_work_of_relift_is_that_of_its_own_batches(load: Load) -> None:
    def trained_tokens(batch_size: int) -> int:
        size = f"method.batch_size={batch_size}"
        settings = load("method=relift", "method.group_size=8", size, *FIXED)
        found = work(settings, Lengths(prompt=20, trace=50, traces=64), parameters=None)
        assert (found.sft_steps, found.sft_steps_expected, found.rl_steps) == (0, 5, 10)
        return found.trained_tokens

    assert trained_tokens(3) == 10 * 2 * 8 * 64
    assert trained_tokens(30) == 10 * 30 * 50


def test_what_a_budget_buys(load: Load) -> None:
    limits = [
        "budget.generated_tokens=2048",
        "budget.trained_tokens=20000",
        "budget.wall_seconds=9.5",
    ]
    settings = load("method=grpo", "method.group_size=8", *FIXED, *limits)
    found = work(settings, Lengths(prompt=20, trace=50, traces=64), parameters=1000)
    assert bought_by_budgets(settings, found) == {
        "generated_tokens": "about 2 of 10 steps, more if completions are short",
        "trained_tokens": "not reached in 10 steps",
        "wall_seconds": "not known beforehand",
    }


LIMITS = ["budget.generated_tokens=60000", "budget.traces_used=20"]


def test_the_probes_of_a_search_are_in_the_bound(load: Load) -> None:
    """4 probes of 9 hints at 8 rollouts each, of both questions of a step: as many again, four times."""
    bread = ["method=bread", "method.group_size=8", *FIXED, "train.steps=20"]
    found = work(load(*bread), Lengths(prompt=20, trace=50, traces=64), parameters=1000)
    assert (found.rollouts, found.extra_rollouts) == (20 * 2 * 8, 20 * 2 * 8 * 4)
    assert found.generated_tokens == 20 * 2 * 8 * 5 * 64
    assert found.trained_tokens == 20 * 2 * 8 * 64
    # all are read and sampled, a fifth goes forward and backward
    assert found.flops == 1000 * 20 * 2 * 8 * 84 * (2 * 5 + 6)
    settings = load(*bread, *LIMITS)
    found = work(settings, Lengths(prompt=20, trace=50, traces=64), parameters=1000)
    assert (found.steps, found.ended_by, found.rollouts) == (12, "generated_tokens", 12 * 2 * 8)
    assert bought_by_budgets(settings, found) == {
        "generated_tokens": "about 12 of 20 steps, more if completions are short or fewer questions fail",
        "traces_used": "10 of 20 steps at least",
    }
    both = load("method=bread_relift", "method.group_size=8", *FIXED)
    found = work(both, Lengths(prompt=20, trace=50, traces=64), parameters=1000)
    assert found.generated_tokens == 10 * 2 * 8 * 5 * 64


def test_where_results_decide_on_the_kind_the_bound_is_that_of_rl(load: Load) -> None:
    lengths = Lengths(prompt=20, trace=50, traces=64)
    relift = work(load("method=relift", "method.group_size=8", *FIXED), lengths, 1000)
    assert (relift.sft_steps, relift.sft_steps_expected, relift.rl_steps) == (0, 5, 10)
    assert relift.generated_tokens == 10 * 2 * 8 * 64
    sasr = ["method=sasr", "method.group_size=8", "method.warmup_steps=2"]
    found = work(load(*sasr, *FIXED), lengths, 1000)
    assert (found.sft_steps, found.rl_steps) == (2, 8)
    assert found.generated_tokens == 8 * 2 * 8 * 64


def test_a_budget_pays_for_the_phases_in_their_order(load: Load) -> None:
    """An SFT step trains on 200 tokens, one of RL on 1,024.

    2,000 tokens would be 10 SFT steps, so 0.4 of them are 4, and 1,200 tokens are left for 2 of RL. SFT generates
    nothing: 10,240 tokens are 10 steps of RL after those 4.
    """
    both = ["method=sft_then_grpo", "method.group_size=8", "method.sft_fraction=0.4"]
    limits = ["budget.generated_tokens=10240", "budget.trained_tokens=2000"]
    settings = load(*both, *FIXED, "train.steps=100", *limits)
    found = work(settings, Lengths(prompt=20, trace=50, traces=64), parameters=1000)
    assert (found.steps, found.ended_by) == (6, "trained_tokens")
    assert (found.sft_steps, found.rl_steps) == (4, 2)
    assert found.trained_tokens == 4 * 200 + 2 * 1024
    short = "more if completions are short"
    assert bought_by_budgets(settings, found) == {
        "generated_tokens": f"about 14 of 100 steps, {short}",
        "trained_tokens": f"about 6 of 100 steps, {short}",
    }


@pytest.mark.parametrize(
    ("typed", "sft", "rl"),
    [
        ("method=sft", 6, 0),  # 3 passes over 8 traces, by 4
        ("method=grpo", 0, 15),  # over 10 questions, by 2
        (
            "method=sft_then_grpo method.sft_fraction=0.5",
            3,
            8,
        ),  # 1.5 passes of each, and a half step
        ("method=dapo method.pool=2 method.rounds=2", 0, 8),  # by 4, of which 2 stay
        (
            "method=chord method.demonstrations=4",
            0,
            5,
        ),  # each step 0.2 of the questions, and half of the traces
        ("method=relift", 0, 15),  # of its SFT nothing is drawn
    ],
)
def test_epochs_end_a_run_by_what_is_drawn(load: Load, typed: str, sft: int, rl: int) -> None:
    size = [] if "=sft " in f"{typed} " else ["method.group_size=8"]
    settings = load(*typed.split(), *size, *FIXED, "train.steps=100", "train.epochs=3")
    lengths = Lengths(prompt=20, trace=50, traces=8, questions=10)
    found = work(settings, lengths, parameters=None)
    assert (found.sft_steps, found.rl_steps, found.ended_by) == (sft, rl, "epochs")
    assert bought_by_budgets(settings, found)["epochs"] == f"about {sft + rl} of 100 steps"
    unknown = work(settings, Lengths(prompt=20, trace=50, traces=8), None)
    assert (unknown.steps, unknown.ended_by) == (100, None)


def test_epochs_that_the_steps_do_not_reach_say_how_many_steps_do(load: Load) -> None:
    settings = load(
        "method=grpo", "method.group_size=8", *FIXED, "train.steps=14", "train.epochs=3"
    )
    found = work(settings, Lengths(prompt=20, trace=50, traces=8, questions=10), None)
    assert bought_by_budgets(settings, found)["epochs"] == (
        "not reached in 14 steps; train.steps=15 reaches it"
    )


@pytest.mark.parametrize(
    ("typed", "sft", "rl"),
    [
        ("method=sft", 10, 0),  # 2,000 tokens at 200 a step
        ("method=sft_then_grpo method.sft_fraction=0.99", 9, 1),
        (
            "method=alternate method.every=2",
            2,
            2,
        ),  # pairs of 1,224 tokens, the second of which passes the limit
        ("method=alternate method.warmup_steps=12", 10, 0),  # the budget ends within the warm-up
        ("method=sasr method.warmup_steps=0.5", 5, 1),
    ],
)
def test_a_budget_ends_every_method(load: Load, typed: str, sft: int, rl: int) -> None:
    size = [] if "=sft " in f"{typed} " else ["method.group_size=8"]
    settings = load(*typed.split(), *size, *FIXED, "train.steps=100", "budget.trained_tokens=2000")
    found = work(settings, Lengths(prompt=20, trace=50, traces=64), parameters=None)
    assert (found.sft_steps, found.rl_steps, found.ended_by) == (sft, rl, "trained_tokens")


def test_traces_that_are_too_few_for_a_budget(load: Load) -> None:
    both = ["method=sft_then_grpo", "method.group_size=8", "method.sft_fraction=0.4"]
    few = load(*both, *FIXED, "budget.traces_used=20")
    found = work(few, Lengths(prompt=20, trace=50, traces=16), parameters=1000)
    assert bought_by_budgets(few, found) == {"traces_used": "not reached: 16 traces at most"}


def test_memory_by_what_it_holds(load: Load) -> None:
    settings = load(
        "method=grpo", "method.group_size=8", *FIXED, "hardware.micro_batch=4",
        "hardware.generation_batch=16", "data.max_prompt_tokens=36", "train.rl.beta=0.1",
    )  # fmt: skip
    found = memory(settings, 1000, Shape(layers=2, vocabulary=50, key_value_width=8))
    assert found == {
        "weights": 4000,
        "gradients": 4000,
        "Adam": 8000,
        "reference model": 4000,
        "logits": 8 * 4 * 100 * 50,
        "KV cache": 4 * 16 * 100 * 2 * 2 * 8,
    }
    of_data = memory(settings, 1000, Shape(2, 50, 8), longest_prompt=6)
    assert of_data["logits"] == 8 * 4 * 70 * 50
    assert of_data["KV cache"] == 4 * 16 * 70 * 2 * 2 * 8


@pytest.mark.parametrize(
    ("method", "adam"), [("relift", 16000), ("sft_then_grpo", 8000), ("grpo", 8000)]
)
def test_memory_counts_the_sets_of_moments_that_are_held_at_once(
    load: Load, method: str, adam: int
) -> None:
    own = [] if method == "grpo" else ["method.moments=by_kind"]
    found = memory(load(f"method={method}", *own, *FIXED), 1000, Shape(2, 50, 8))
    assert found["Adam"] == adam


def test_a_divergence_takes_a_reference_model(load: Load) -> None:
    """A forward pass more per demonstration token, and as much memory as the weights."""
    lengths, shape = Lengths(prompt=20, trace=50, traces=64), Shape(2, 50, 8)
    sasr = ["method=sasr", "method.group_size=8", "method.warmup_steps=2", *FIXED]
    norm, both = load(*sasr), load(*sasr, "method.signal=both")
    flops = [work(one, lengths, 1000).flops or 0 for one in (norm, both)]
    assert flops[1] - flops[0] == 1000 * 2 * 2 * 4 * 70  # the two updates of the warm-up
    assert "reference model" not in memory(norm, 1000, shape)
    assert memory(both, 1000, shape)["reference model"] == 4000


def test_memory_is_sharded_by_zero(load: Load) -> None:
    shape = Shape(layers=2, vocabulary=50, key_value_width=8)
    two = memory(load("hardware=zero2"), 1000, shape)
    assert (two["weights"], two["gradients"], two["Adam"]) == (4000, 1000, 2000)
    three = memory(load("hardware=zero3"), 1000, shape)
    assert (three["weights"], three["gradients"], three["Adam"]) == (1000, 1000, 2000)
