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
        "uniform": True,
        "note": {},
        "outcomes": {"wrong": 2, "truncated": 1},
    }


def test_a_group_is_uniform_where_all_rewards_are_equal() -> None:
    def uniform(*rewards: float) -> bool:
        rollouts = tuple(Rollout((1,), Verdict("wrong", reward)) for reward in rewards)
        return Group(Example("a", (1,), "a", "2"), rollouts).uniform

    assert uniform(*[0.7] * 16)
    assert uniform(1.2)
    assert not uniform(0.7, 0.7, 1.2)
    assert uniform(0.3, 0.1 + 0.2)  # one and the same in float32
