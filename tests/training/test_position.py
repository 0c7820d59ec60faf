"""What a checkpoint keeps of a run beside weights and optimizer."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from hybrid_rl.methods.base import Method
from hybrid_rl.training import checkpoints
from hybrid_rl.training.position import Position
from tests.fakes import tiny

pytestmark = pytest.mark.slow


class Counting(Method[Any]):
    """A method whose state is a number."""

    count = 0

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: Any) -> None:
        self.count = state["count"]


def made(path: Path) -> Position:
    settings, examples = tiny.settings(path), tiny.examples(4)
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
    saved.save(checkpoint, 3)
    assert checkpoints.complete(tmp_path) == [checkpoint]

    again = made(tmp_path)
    assert again.load(checkpoint) == 3
    assert again.state_dict(3) == saved.state_dict(3)
    assert again.questions.following(2) == saved.questions.following(2)
    assert (again.spent.flops, again.guards.skips, again.evaluation_due) == (5.0, 1, True)
