import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_rl.config.batch import plan, problems


def test_a_step_is_cut_into_whole_groups_per_device_and_equal_micro_batches() -> None:
    batch = plan(8, 16, 16, 2, 32)
    assert batch.prompts_per_device == 4
    assert batch.rows_per_device == 64
    assert batch.micro_batch == 32
    assert batch.accumulation == 2
    assert batch.sft_rows_per_device == 8


def test_without_a_micro_batch_a_device_takes_its_share_at_once() -> None:
    batch = plan(8, 16, 16, 1, None)
    assert (batch.micro_batch, batch.accumulation) == (128, 1)


@pytest.mark.parametrize(
    ("processes", "micro_batch", "rows", "micro", "accumulation"),
    [(1, None, 10, 10, 1), (1, 4, 10, 4, 3), (3, None, 4, 4, 1), (1, 64, 10, 10, 1)],
)
def test_a_method_without_rollouts_cuts_its_sft_batch(
    processes: int, micro_batch: int | None, rows: int, micro: int, accumulation: int
) -> None:
    batch = plan(8, None, 10, processes, micro_batch)
    assert (batch.rows_per_device, batch.micro_batch, batch.accumulation) == (
        rows,
        micro,
        accumulation,
    )
    assert batch.prompts_per_device == 0


def test_prompts_that_do_not_divide_over_the_processes_are_refused() -> None:
    assert problems(8, 16, 16, 3, None) == [
        "train.prompts_per_step = 8: each of the 3 processes takes whole groups, so it must be a multiple of"
        " hardware.processes; nearest: 6 or 9"
    ]
    assert problems(9, 16, 16, 3, None) == []


def test_a_micro_batch_that_does_not_divide_the_rows_is_refused_with_those_that_do() -> None:
    assert problems(2, 6, 4, 1, 5) == [
        "hardware.micro_batch = 5: must divide the 12 sequences of a device (2 prompts x 6 rollouts / 1);"
        " one of 1, 2, 3, 4, 6, 12; nearest: 4"
    ]
    assert problems(2, 6, 4, 1, 4) == []


def test_an_sft_batch_that_breaks_the_micro_batch_is_refused() -> None:
    assert problems(2, 6, 13, 1, 4) == [
        "train.sft.batch_size = 13: cut over the 3 micro-batches of an RL update it exceeds"
        " hardware.micro_batch = 4; at most 12 fit, or set hardware.micro_batch=null"
    ]
    assert problems(2, 6, 12, 1, 4) == []
    assert problems(2, 6, 13, 1, None) == []
    assert problems(2, 6, None, 1, 4) == []


@given(
    st.integers(1, 40),
    st.integers(2, 20),
    st.integers(1, 99),
    st.integers(1, 6),
    st.integers(1, 50),
)
def test_a_batch_without_problems_covers_the_step_exactly(
    prompts: int, group: int, sft: int, processes: int, micro: int
) -> None:
    if problems(prompts, group, sft, processes, micro):
        return
    batch = plan(prompts, group, sft, processes, micro)
    assert batch.micro_batch * batch.accumulation == batch.rows_per_device
    assert batch.rows_per_device * processes == prompts * group
    assert batch.rows_per_device % group == 0
    assert batch.sft_rows_per_device <= batch.micro_batch * batch.accumulation


def test_the_explanation_does_the_arithmetic() -> None:
    assert plan(8, 16, 16, 2, 32).explain() == (
        "an RL update is 2 processes x 4 prompts x 16 rollouts = 128 sequences, 64 per device,"
        " 2 x 32 per forward pass; an SFT update is 8 sequences per device."
    )
    assert plan(8, None, 16, 1, None).explain() == (
        "an SFT update is 16 sequences per device, 1 x 16 per forward pass, on 1 process."
    )
