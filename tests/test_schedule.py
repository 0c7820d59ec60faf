import pytest

from hybrid_rl.schedule import learning_rate
from hybrid_rl.settings import PhaseSettings


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
