"""Each schedule is transformers' own of that name, of a run that steps end; the rise begins one step further on."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import optimization

from hybrid_rl.config.train import PhaseSettings
from hybrid_rl.training.learning_rate import learning_rate

pytestmark = pytest.mark.slow

STEPS, RISE = 20, 4
THEIRS: dict[str, tuple[Callable[[Any], Any], dict[str, float]]] = {
    "constant": (lambda o: optimization.get_constant_schedule_with_warmup(o, RISE), {}),
    "linear": (lambda o: optimization.get_linear_schedule_with_warmup(o, RISE, STEPS), {}),
    "cosine": (
        lambda o: optimization.get_cosine_with_min_lr_schedule_with_warmup(
            o, RISE, STEPS, min_lr_rate=0.1
        ),
        {"floor": 0.1},
    ),
    "inverse_sqrt": (lambda o: optimization.get_inverse_sqrt_schedule(o, RISE), {}),
    "warmup_stable_decay": (
        lambda o: optimization.get_wsd_schedule(
            o, RISE, num_decay_steps=5, num_training_steps=STEPS, min_lr_ratio=0.1
        ),
        {"floor": 0.1, "decay": 0.25},
    ),
}


@pytest.mark.parametrize("warmup", [RISE, RISE / STEPS])
@pytest.mark.parametrize("schedule", THEIRS)
def test_a_schedule_is_that_of_transformers(schedule: str, warmup: int | float) -> None:
    make, more = THEIRS[schedule]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = make(optimizer)
    theirs = []
    for _ in range(STEPS):
        theirs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    phase = PhaseSettings.model_validate(
        {"learning_rate": 2.0, "schedule": schedule, "warmup": warmup, "floor": 0.0, **more}
    )
    ours = [learning_rate(phase, i / STEPS, (i + 1) / STEPS, i) for i in range(STEPS)]
    assert ours[RISE:] == pytest.approx(theirs[RISE:])
    assert ours[:RISE] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    if schedule != "warmup_stable_decay":  # theirs rises from its floor
        assert ours[: RISE - 1] == pytest.approx(theirs[1:RISE])
    assert (len({*ours[RISE:]}) > 1) == (schedule != "constant")
