import pytest

from hybrid_rl.config.train import PhaseSettings
from hybrid_rl.training.learning_rate import learning_rate, of_update
from hybrid_rl.types import Update
from tests.conftest import Load


def phase(schedule: str, warmup: float = 0.0, floor: float = 0.1) -> PhaseSettings:
    return PhaseSettings.model_validate(
        {"learning_rate": 2.0, "schedule": schedule, "warmup": warmup, "floor": floor}
    )


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("constant", 0.9, 2.0),
        ("linear", 0.0, 2.0),
        ("linear", 0.5, 0.2 + 1.8 * 0.5),
        ("cosine", 0.0, 2.0),
        ("cosine", 0.5, 0.2 + 1.8 * 0.5),
        ("cosine", 1.0, 0.2),
    ],
)
def test_schedules_by_hand(schedule: str, progress: float, expected: float) -> None:
    assert learning_rate(phase(schedule), progress) == pytest.approx(expected)


def test_warmup_rises_from_zero_and_the_schedule_starts_after_it() -> None:
    slow = phase("linear", warmup=0.2)
    assert learning_rate(slow, 0.0) == 0.0
    assert learning_rate(slow, 0.1) == pytest.approx(1.0)
    assert learning_rate(slow, 0.2) == pytest.approx(2.0)
    assert learning_rate(slow, 0.6) == pytest.approx(0.2 + 1.8 * 0.5)


def test_an_update_takes_the_rate_of_its_kind_unless_it_names_another(load: Load) -> None:
    train = load(
        *(
            "method=grpo",
            "train.steps=10",
            "train.rl.learning_rate=1e-4",
            "train.rl.schedule=linear",
        ),
        *("train.rl.floor=0", "train.sft.learning_rate=1e-3"),
    ).train
    assert of_update(Update("sft"), 5, train) == 1e-3
    assert of_update(Update("rl"), 5, train) == pytest.approx(0.5e-4)
    assert of_update(Update("sft", schedule="rl"), 5, train) == pytest.approx(0.5e-4)
    assert of_update(
        Update("sft", schedule="rl", schedule_position=0.9), 5, train
    ) == pytest.approx(1e-5)
