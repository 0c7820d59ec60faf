"""What is measured of the built-in model: which steps are made, not how long they take."""

from pathlib import Path

import pytest

from hybrid_rl.execution import launch
from hybrid_rl.tools.calibration.prediction import Measured
from tests.conftest import Load

pytestmark = pytest.mark.slow  # loads TRL
SMALL = ("experiment=smoke", "train.save_every=null", "train.steps=40", "eval.limit=8")


@pytest.mark.parametrize("method", ["sft_then_grpo", "relift", "grpo"])
def test_a_step_of_each_kind_that_the_method_plans_is_made_though_no_time_is_left(
    method: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opening of SFT is passed over, and a kind that would come later, or by chance, is made."""
    from hybrid_rl.run import run
    from hybrid_rl.tools.calibration import measure

    monkeypatch.setattr(measure, "_OPENING_SECONDS", 0.0)
    monkeypatch.setattr(measure, "_TRAINING_SECONDS", 0.0)
    monkeypatch.setattr(measure, "_EVALUATION_SECONDS", 0.0)
    settings = load(*SMALL, f"method={method}", "check=true", "calibrate=true")
    directory = launch.prepare(settings, [], Path.cwd())
    assert run(settings) == 0
    found = Measured.read(directory)
    kinds = {"rl"} if method == "grpo" else {"rl", "sft"}
    assert found.counts == dict.fromkeys(kinds, 1)
    for kind, taken in found.steps.items():
        assert taken["steps"] == 1
        assert (taken["generated_tokens"] > 0) == (kind == "rl")
        assert taken["flops"] > 0
    assert set(found.set_seconds) == set(settings.eval.sets)
    assert found.checkpoint_seconds is not None
    assert found.fixed_seconds > 0


@pytest.mark.parametrize(
    ("seconds", "mean"),
    [
        ([9.0], 9.0),  # the first alone
        ([9.0, 1.0, 3.0], 2.0),  # without the first
        ([9.0, *[7.0] * 4, 1.0, 1.0, 3.0, 3.0], 2.0),  # of many, the later half
    ],
)
def test_the_steps_to_come_take_what_the_later_ones_took(seconds: list[float], mean: float) -> None:
    from hybrid_rl.tools.calibration import measure

    steps = [{"seconds": took, "flops": 10 * took} for took in seconds]
    assert measure.mean_of_later(steps) == {"seconds": mean, "flops": 10 * mean}


def test_an_evaluation_is_made_of_more_questions_while_there_is_time_and_scaled_to_all() -> None:
    from hybrid_rl.tools.calibration import measure

    asked: list[int] = []
    measure.seconds_of(asked.append, first=2, questions=20, most=1000.0)
    assert asked == [2, 8, 20]
    asked.clear()
    measure.seconds_of(asked.append, first=2, questions=20, most=0.0)
    assert asked == [2]
