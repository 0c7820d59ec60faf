import pytest

from hybrid_rl.training.streams import Stream


def test_an_epoch_is_a_permutation_and_differs_from_the_next() -> None:
    stream = Stream(range(50), seed=0, name="questions")
    first, second = stream.take(0, 50), stream.take(50, 50)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first != list(range(50))


def test_rows_follow_from_the_position_alone() -> None:
    straight = Stream("abcdefg", seed=3, name="questions")
    taken = [item for start in range(0, 28, 4) for item in straight.take(start, 4)]
    resumed = Stream("abcdefg", seed=3, name="questions")
    assert resumed.take(12, 16) == taken[12:28]
    assert resumed.take(0, 12) == taken[:12]


def test_seed_and_name_change_the_order() -> None:
    orders = {
        tuple(Stream(range(20), seed, name).take(0, 20))
        for seed, name in [(0, "questions"), (1, "questions"), (0, "demonstrations")]
    }
    assert len(orders) == 3


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw demonstrations from"):
        Stream([], seed=0, name="demonstrations")
