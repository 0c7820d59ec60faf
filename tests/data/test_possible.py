"""A training set is refused with which the method could never do its part."""

import pytest

from hybrid_rl.data.encoding import Examples
from hybrid_rl.data.possible import require_possible
from hybrid_rl.errors import DataError
from hybrid_rl.types import Example, Trace
from tests.conftest import Load

LONG = {"train.max_completion_tokens": 70}


def examples(count: int, traced: int, tokens: int = 3, **enough: int) -> Examples:
    """Questions of which the first `traced` have a trace of words, one a line."""
    text = "\n".join("a" for _ in range(tokens))
    ends = tuple(range(1, 2 * tokens, 2))
    trace = Trace(text, (1,) * tokens, ends, answer_start=len(text))
    made = [Example(str(i), (1,), "q", "a", trace if i < traced else None) for i in range(count)]
    return Examples(made, [], {}, [], enough)


@pytest.mark.parametrize("method", ["sft", "sft_then_grpo", "sasr", "alternate", "bread", "relift"])
def test_a_method_that_learns_from_traces_needs_one_after_encoding(method: str, load: Load) -> None:
    with pytest.raises(DataError) as raised:
        require_possible(load(f"method={method}"), examples(64, traced=0, **LONG))
    assert str(raised.value) == (
        f"data=ledger, train: method={method} learns from expert traces, and every question lost its own to"
        " train.max_completion_tokens = 64; train.max_completion_tokens=70 keeps all"
    )


def test_both_limits_are_named_where_both_left_traces_out(load: Load) -> None:
    both = {"data.max_prompt_tokens": 65, **LONG}
    with pytest.raises(DataError) as raised:
        require_possible(load("method=sft"), examples(64, traced=0, **both))
    assert str(raised.value).endswith(
        "lost its own to data.max_prompt_tokens = 64 and train.max_completion_tokens = 64; give at least"
        " data.max_prompt_tokens=65 train.max_completion_tokens=70"
    )


def test_grpo_needs_none(load: Load) -> None:
    require_possible(load("method=grpo"), examples(64, traced=0))


def test_a_buffer_that_can_never_be_full_is_refused(load: Load) -> None:
    relift = load("method=relift", "method.batch_size=16")
    with pytest.raises(DataError) as raised:
        require_possible(relift, examples(64, traced=1))
    assert str(raised.value) == (
        "method.batch_size = 16: a question waits once, and 1 of 64 training questions have a trace, so no SFT update"
        " would ever come; give at most 1, or more traces, or method.dedupe=false"
    )
    require_possible(relift, examples(64, traced=16))
    require_possible(load("method=relift", "method.dedupe=false"), examples(64, traced=1))
    require_possible(load("method=relift", "method.every=4"), examples(64, traced=1))
    with pytest.raises(DataError, match=r"^method\.relift\.batch_size = 16: a question waits once"):
        require_possible(load("method=bread_relift"), examples(64, traced=1))


def test_a_buffer_whose_questions_leave_too_soon_is_refused(load: Load) -> None:
    # 8 questions an update; of 64 a tenth is 6.4, so only those of one update are there at a time.
    short = load("method=relift", "method.batch_size=9", "method.max_age_epochs=0.1")
    with pytest.raises(
        DataError, match=r"max_age_epochs = 0\.1 no more than 8 questions ever wait"
    ):
        require_possible(short, examples(64, traced=64))
    longer = load("method=relift", "method.batch_size=9", "method.max_age_epochs=0.125")
    require_possible(longer, examples(64, traced=64))


def test_a_search_without_any_prefix_is_refused(load: Load) -> None:
    bread = load("method=bread", "method.max_prefix_tokens=1")
    with pytest.raises(
        DataError, match=r"^method\.max_prefix_share = .* no hint would ever be given"
    ):
        require_possible(bread, examples(64, traced=64, tokens=1))
    require_possible(bread, examples(64, traced=64, tokens=3))
