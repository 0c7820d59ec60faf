"""Reward against truth, from rewards and accuracies written by hand."""

from hybrid_rl.training.alarms import Guards
from tests.training.test_alarms import rl, settings


def alarms(rewards: list[float], accuracies: list[float], guards: Guards) -> list[tuple[int, str]]:
    found = []
    for look, (reward, accuracy) in enumerate(zip(rewards, accuracies, strict=True), 1):
        for update in (-1, 0):
            guards.check(rl(2 * look + update, reward_mean=reward))
        found += [(one.step, one.alarm) for one in guards.dev(2 * look, accuracy)]
    return found


def test_a_reward_that_rises_alone_raises_the_alarm_once() -> None:
    guards = Guards(settings(reward_hacking={"looks": 2, "rise": 0.1}))
    found = alarms([0.1, 0.2, 0.3, 0.5], [0.4, 0.4, 0.4, 0.3], guards)
    assert found == [(6, "reward_hacking")]


def test_a_reward_that_rises_with_the_accuracy_or_not_enough_does_not() -> None:
    limits = settings(reward_hacking={"looks": 2, "rise": 0.1})
    assert alarms([0.1, 0.2, 0.3], [0.4, 0.4, 0.41], Guards(limits)) == []
    assert alarms([0.1, 0.15, 0.2], [0.4, 0.4, 0.4], Guards(limits)) == []
    assert alarms([0.3, 0.2, 0.1], [0.4, 0.4, 0.4], Guards(limits)) == []


def test_a_resumed_run_raises_what_the_whole_one_does() -> None:
    limits = settings(reward_hacking={"looks": 2, "rise": 0.1})
    first, second = Guards(limits), Guards(limits)
    assert alarms([0.1, 0.2], [0.4, 0.4], first) == []
    second.load_state_dict(first.state_dict())
    for step in (5, 6):
        second.check(rl(step, reward_mean=0.3))
    assert [one.step for one in second.dev(6, 0.4)] == [6]
    assert second.dev(6, 0.4) == []  # the same look again
