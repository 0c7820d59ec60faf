"""How early stopping counts looks at dev."""

from hybrid_rl.recording.patience import Patience, stopped_early


def seen(*accuracies: float) -> Patience:
    patience = Patience()
    for step, accuracy in enumerate(accuracies, 1):
        patience.look(step, accuracy)
    return patience


def test_looks_since_the_best_are_counted_and_an_equal_one_is_not_better() -> None:
    assert [seen(0.2).looks, seen(0.2, 0.2).looks, seen(0.2, 0.1, 0.3).looks] == [0, 1, 0]
    found = seen(0.2, 0.5, 0.4, 0.5)
    assert (found.best, found.best_step, found.looks) == (0.5, 2, 2)
    assert (found.is_over(2), found.is_over(3), found.is_over(None)) == (True, False, False)
    assert not Patience().is_over(1)


def test_a_look_before_training_and_a_second_one_after_the_same_step_do_not_count() -> None:
    found = Patience()
    for step, accuracy in ((0, 0.9), (2, 0.3), (4, 0.2), (4, 0.2)):
        found.look(step, accuracy)
    assert (found.best, found.looks) == (0.3, 1)


def test_why_a_run_stopped_early_is_read_in_its_lines() -> None:
    lines = [{"step": 5 * n, "greedy": value} for n, value in enumerate([0.6, 0.25, 0.5, 0.5, 0.4])]
    assert stopped_early(2, lines) == (
        "no accuracy on dev above 0.500, that of step 10, in 2 looks (train.patience = 2)"
    )
    assert stopped_early(3, lines) is None
    assert stopped_early(None, lines) is None
