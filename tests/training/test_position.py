"""What a checkpoint keeps of a run beside weights and optimizer."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

pytest.importorskip("torch")

from hybrid_rl.methods.base import Method
from hybrid_rl.recording import checkpoints
from hybrid_rl.recording.budget import Spent
from hybrid_rl.training.position import Position
from tests.fakes import tiny

pytestmark = pytest.mark.slow


class Counting(Method[Any]):
    """A method whose state is a number."""

    count = 0
    factors: ClassVar[list[float]] = []

    def rescale_progress(self, factor: float) -> None:
        self.factors.append(factor)

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: Any) -> None:
        self.count = state["count"]


def made(path: Path, **limits: Any) -> Position:
    settings, examples = tiny.settings(path, **limits), tiny.examples(4)
    return Position(Counting(settings.method, {}, 0, 4), examples, tiny.model(), settings)


def test_a_run_goes_on_where_it_stood(tmp_path: Path) -> None:
    saved, checkpoint = made(tmp_path), tmp_path / "checkpoint-3"
    checkpoint.mkdir()
    saved.questions.following(3)
    assert saved.demonstrations is not None
    saved.demonstrations.following(2)
    saved.spent.flops = 5.0
    saved.method.count = 7  # type: ignore[attr-defined]  # that of the class above
    saved.guards.skips = 1
    saved.evaluation_due = True
    saved.patience.look(3, 0.5)
    saved.save(checkpoint, 3)
    assert checkpoints.complete(tmp_path) == [checkpoint]

    again = made(tmp_path)
    assert again.load(checkpoint) == 3
    assert again.state_dict(3) == saved.state_dict(3)
    assert again.patience == saved.patience
    assert again.questions.following(2) == saved.questions.following(2)
    assert (again.spent.flops, again.guards.skips, again.evaluation_due) == (5.0, 1, True)


def test_progress_follows_the_limit_that_is_nearest_and_traces_only_where_there_are_enough(
    tmp_path: Path,
) -> None:
    """3 of 4 traces are used, 50 of 100 FLOPs, 1 of 4 steps."""
    for traces, expected in ((None, 0.5), (4, 0.75), (5, 0.5)):
        found = made(tmp_path, budget__flops=100, budget__traces_used=traces)
        found.spent.flops, found.spent.trace_tokens = 50.0, {"q0": 1, "q1": 1, "q2": 1}
        assert found.progress(1) == expected
    assert found.progress(1, Spent(flops=90.0)) == 0.9


def test_an_epoch_is_a_pass_over_questions_or_over_demonstrations(tmp_path: Path) -> None:
    """2 of 4 questions and 1 of 4 demonstrations are three quarters of a pass, of 1.5: half of the run."""
    found = made(tmp_path, train__epochs=1.5, train__steps=100)
    assert found.demonstrations is not None
    found.questions.following(2)
    found.demonstrations.following(1)
    assert (found.epochs, found.progress(1), found.is_over) == (0.75, 0.5, False)
    assert found.axes()["epochs"] == 0.75
    found.questions.following(3)
    assert (found.epochs, found.progress(1), found.is_over) == (1.5, 1.0, True)
    assert "epochs" not in made(tmp_path).axes()


def test_a_resume_under_other_limits_tells_the_method_how_progress_changed(tmp_path: Path) -> None:
    """60 of 100 FLOPs are 0.6, of 240 they are 0.25; nothing changes under the same limits, to the last bit."""
    saved, checkpoint = made(tmp_path, budget__flops=100), tmp_path / "checkpoint-1"
    checkpoint.mkdir()
    saved.spent.flops = 60.0
    saved.save(checkpoint, 1)
    Counting.factors.clear()
    made(tmp_path, budget__flops=100).load(checkpoint)
    made(tmp_path, budget__flops=240).load(checkpoint)
    made(tmp_path, budget__flops=None).load(checkpoint)
    assert Counting.factors == [1.0, 0.25 / 0.6, 0.25 / 0.6]
