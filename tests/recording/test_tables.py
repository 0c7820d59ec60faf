"""The tables of rollouts and decisions that trackers get."""

from hybrid_rl.recording.tables import Table, numbers, of_decisions, of_rollouts
from hybrid_rl.recording.trackers import named


def test_a_table_of_rollouts_has_a_row_each() -> None:
    row = {
        "step": 3, "example_id": "q1", "group": 0, "prompt": "1+1", "prefix": "", "completion": "2",
        "outcome": "correct", "reward": 1.0, "trained": True, "advantage": 0.5,
    }  # fmt: skip
    assert of_rollouts([row]) == Table(
        [
            "step", "question", "group", "outcome", "reward", "advantage", "trained", "prompt",
            "expert prefix", "completion",
        ],
        [[3, "q1", 0, "correct", 1.0, 0.5, True, "1+1", "", "2"]],
    )  # fmt: skip


def test_a_table_of_decisions_counts_groups() -> None:
    groups = [
        {"correct": 4, "size": 4, "prefix_tokens": 0, "trained": True},
        {"correct": 0, "size": 4, "prefix_tokens": 0, "trained": False},
        {"correct": 2, "size": 4, "prefix_tokens": 6, "trained": True},
    ]
    lines = [
        {"step": 1, "kind": "sft", "note": {"phase": "warmup"}, "groups": []},
        {"step": 2, "kind": "rl", "note": {"p": 0.25}, "groups": groups},
    ]
    assert of_decisions(lines).rows == [
        [1, "sft", 0, 0, 0, 0, 0, None, '{"phase": "warmup"}'],
        [2, "rl", 3, 1, 1, 1, 1, 6.0, '{"p": 0.25}'],
    ]


def test_the_numbers_of_a_note_are_metrics_of_the_method() -> None:
    assert numbers({"p": 0.5, "phase": "hybrid", "ids": ["a"]}) == {"method/p": 0.5}
    assert named({"step": 1, "method/p": 0.5}) == {"method/p": 0.5}
