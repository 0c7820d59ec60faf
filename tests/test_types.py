"""The records that every part hands to another."""

from dataclasses import asdict

from hybrid_rl.types import Example, Group, Result, Rollout, Verdict


def test_a_result_counts_how_rollouts_ended() -> None:
    verdicts = [Verdict("wrong", 0.0), Verdict("truncated", 0.0), Verdict("wrong", 0.0)]
    group = Group(
        Example("a", (1,), "a", "2"), tuple(Rollout((1,), verdict) for verdict in verdicts), (7,)
    )
    assert asdict(Result.of(group)) == {
        "example_id": "a",
        "correct": 0,
        "size": 3,
        "prefix_tokens": 1,
        "trained": True,
        "note": {},
        "outcomes": {"wrong": 2, "truncated": 1},
    }
