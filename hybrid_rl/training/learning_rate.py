"""The learning rate of an update follows the schedule of its kind. This file is pure."""

import math

from hybrid_rl.config.train import PhaseSettings, TrainSettings
from hybrid_rl.types import Update


def of_update(update: Update, step: int, train: TrainSettings) -> float:
    """The rate of optimizer step `step`, from 0.

    The position on the schedule is that of the whole run, unless the method gives one of its own.
    """
    phase = train.sft if (update.schedule or update.kind) == "sft" else train.rl
    return learning_rate(
        phase, step / train.steps if update.schedule_position is None else update.schedule_position
    )


def learning_rate(phase: PhaseSettings, progress: float) -> float:
    """The rate at `progress` in [0, 1): a linear rise from 0, then the schedule down to `floor` of the peak."""
    if progress < phase.warmup:
        return phase.learning_rate * progress / phase.warmup
    if phase.schedule == "constant":
        return phase.learning_rate
    done = (progress - phase.warmup) / (1 - phase.warmup)
    shape = 1 - done if phase.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return phase.learning_rate * (phase.floor + (1 - phase.floor) * shape)
