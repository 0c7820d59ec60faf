"""Rows into parts: who stays, who goes together, and the scale that makes up for it."""

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.training.lean import microbatches


def batch() -> microbatches.Inputs:
    """Four rows: prompts of 1, 3, 3, 2 tokens in 4 columns, completions of 2, 5, 1, 3 in 6."""
    prompts, completions = torch.tensor([1, 3, 3, 2]), torch.tensor([2, 5, 1, 3])
    prompt_mask = (torch.arange(4) >= 4 - prompts.unsqueeze(1)).long()
    completion_mask = (torch.arange(6) < completions.unsqueeze(1)).long()
    return {
        "prompt_ids": torch.arange(16).view(4, 4) * prompt_mask,
        "prompt_mask": prompt_mask,
        "completion_ids": torch.arange(24).view(4, 6) * completion_mask,
        "completion_mask": completion_mask,
        "old_per_token_logps": torch.arange(24.0).view(4, 6),
        "advantages": torch.tensor([1.0, 0.0, -1.0, 0.0]),
        "num_items_in_batch": torch.tensor(11),
    }


def test_rows_without_advantage_stay_out_only_where_they_may() -> None:
    assert microbatches.kept([0.5, 0.0, -0.5, 0.0], skip=True) == [0, 2]
    assert microbatches.kept([0.5, 0.0], skip=False) == [0, 1]


def test_the_shortest_of_the_others_fill_up() -> None:
    assert microbatches.filled([1], 3, [7, 9, 3, 5]) == [1, 2, 3]
    assert microbatches.filled([1, 2], 1, [7, 9, 3, 5]) == [1, 2]


def test_parts_hold_the_budget_and_keep_groups_together() -> None:
    lengths, groups = [4, 10, 4, 8, 3, 3], [0, 1, 0, 1, 4, 4]
    parts = microbatches.by_budget(range(6), lengths, groups, 20)
    assert parts == [[1, 3], [0, 2, 4, 5]]
    assert microbatches.by_budget(range(6), lengths, groups, 1) == [[1], [3], [0], [2], [4], [5]]
    assert microbatches.by_budget([], lengths, groups, 20) == []


@pytest.mark.parametrize("seed", range(20))
def test_the_budget_of_the_largest_micro_batch_never_needs_more_parts(seed: int) -> None:
    """4 micro-batches of 5 rows: whatever is kept of them fits into 4 parts."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 60, (20,), generator=draw).tolist()
    kept = [row for row in range(20) if torch.rand((), generator=draw) < 0.8]
    parts = microbatches.by_budget(kept, lengths, [row // 5 for row in range(20)], 5 * max(lengths))
    assert sorted(row for part in parts for row in part) == kept
    assert len(parts) <= 4
    assert all(len(part) * max(lengths[r] for r in part) <= 5 * max(lengths) for part in parts)


def test_even_parts_are_of_like_length() -> None:
    assert microbatches.evenly([0, 1, 2, 3], 2, [5, 9, 1, 7]) == [[1, 3], [0, 2]]


def test_taken_rows_lose_the_padding_that_all_of_them_have() -> None:
    found = microbatches.taken(batch(), [0, 3])
    assert found["prompt_ids"].tolist() == [[0, 3], [14, 15]]
    assert found["prompt_mask"].tolist() == [[0, 1], [1, 1]]
    assert found["completion_ids"].tolist() == [[0, 1, 0], [18, 19, 20]]
    assert found["old_per_token_logps"].tolist() == [[0, 1, 2], [18, 19, 20]]
    assert found["advantages"].tolist() == [1.0, 0.0]
    assert found["num_items_in_batch"] == 11


def test_micro_batches_join_to_the_batch_they_were_cut_from() -> None:
    whole = batch()
    halves = [microbatches.taken(whole, [0, 1, 2]), microbatches.taken(whole, [1, 2, 3])]
    joined = microbatches.joined([halves[0], halves[0]])
    assert joined["advantages"].tolist() == [1.0, 0.0, -1.0] * 2
    assert joined["num_items_in_batch"] == 11
    assert microbatches.lengths(whole) == [3, 8, 4, 5]


def test_rows_of_one_prompt_are_one_context() -> None:
    rows = microbatches.taken(batch(), [1, 0, 1, 2])
    assert microbatches.contexts(rows) == [0, 1, 0, 3]


def test_scales_undo_the_normalisation_of_each_loss() -> None:
    """Row sums of losses 1, 2, 3, 4 as if per token loss were such; each loss worked out by hand on all four rows."""
    whole = batch()
    part = microbatches.taken(whole, [0, 2])
    assert microbatches.scale("grpo", part, whole, 2) == 2 * 2 / 4
    assert microbatches.scale("dr_grpo", part, whole, 1) == 2 / 4
    assert microbatches.scale("dapo", part, whole, 2) == 1
    assert microbatches.scale("bnpo", part, whole, 1) == (2 + 1) / (2 + 5 + 1 + 3)
    masked = whole | {"tool_mask": torch.tensor([[1] * 6, [0] * 6, [1] * 6, [1] * 6])}
    part = microbatches.taken(masked, [0, 2])
    assert microbatches.scale("bnpo", part, masked, 1) == (2 + 1) / (2 + 1 + 3)
