"""The floors of a step are worked out by hand for a model of a few weights."""

import pytest

torch = pytest.importorskip("torch")

from transformers import LlamaConfig, LlamaForCausalLM

from hybrid_rl.tools.bench import limits

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("tied", [True, False])
def test_the_floors_count_what_a_step_cannot_do_without(tied: bool) -> None:
    """4 rows of 2 prompts of 3 tokens, 5 tokens each, the longest 7; all worked out by hand."""
    config = LlamaConfig(
        vocab_size=10,
        hidden_size=4,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    model = LlamaForCausalLM(config)
    work = limits.Work(3, 5, prompts=2, rows=4, trained_share=0.5, passes=7)
    # q 16, k 8, v 8, o 16, mlp 3 x 32, norms 3 x 4: 156 for each of 2 x 3 + 4 x 4 tokens; the head 40, for 2 + 4 x 4.
    # Pairs that attend: 2 x (1 + 2 + 3) in prompts, 4 x (4 + 5 + 6 + 7) in completions, 4 FLOPs by 4 features each.
    forward = 2 * 156 * 22 + 2 * 40 * 18 + 4 * 4 * (12 + 88)
    found = limits.needs(model, work, torch.float32)
    assert found["generate_gflop"] == pytest.approx(forward / 1e9)
    assert found["train_gflop"] == pytest.approx(0.5 * 3 * forward / 1e9)
    assert found["generate_gbytes"] == pytest.approx((7 * 196 * 4 + 88 * 2 * 2 * 4) / 1e9)
    # In bfloat16 by autocast the weights are stored as before, keys and values are halved.
    found = limits.needs(model, work, torch.bfloat16)
    assert found["generate_gbytes"] == pytest.approx((7 * 196 * 4 + 88 * 2 * 2 * 2) / 1e9)
    can = {"matmul_gflops": 2.0, "copy_gbytes_per_second": 0.5}
    needed = {"generate_gflop": 6.0, "generate_gbytes": 4.0, "train_gflop": 9.0}
    assert limits.floors(needed, can, 0.25, passes=7) == {
        "generate_seconds": 8.0,
        "generate_calls_seconds": 1.75,
        "train_seconds": 4.5,
    }
