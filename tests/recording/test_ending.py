"""What ended a run is read in its settings and its files."""

from typing import Any

from hybrid_rl.recording.ending import Ending, ending

DEV = [{"step": step, "greedy": 0.5} for step in (2, 4, 6)]
WHY = "no accuracy on dev above 0.500, that of step 2, in 2 looks (train.patience = 2)"


def settings(patience: int | None = None, tokens: int | None = None) -> dict[str, Any]:
    return {
        "train": {"steps": 10, "patience": patience},
        "budget": {"generated_tokens": tokens, "flops": None},
    }


def test_a_budget_dev_or_the_steps_end_a_run() -> None:
    spent = {"step": 6, "generated_tokens": 100}
    limit = Ending(limit="budget.generated_tokens = 100")
    assert ending(settings(tokens=100), spent, DEV) == limit
    assert ending(settings(patience=2, tokens=100), spent, DEV) == limit
    assert ending(settings(patience=2), spent, DEV) == Ending(early=WHY)
    assert ending(settings(patience=3, tokens=101), spent, DEV) == Ending()
    assert ending(settings(patience=2), spent | {"step": 10}, DEV) == Ending()


def test_an_ending_is_told_in_words() -> None:
    assert Ending(limit="budget.flops = 5").told == "budget.flops = 5"
    assert Ending(early=WHY).told == f"stopped early: {WHY}"
    assert Ending().told is None
