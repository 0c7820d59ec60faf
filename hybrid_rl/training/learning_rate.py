"""The learning rate of an update follows the schedule of its kind. This file is pure."""

import math
from typing import NamedTuple

from hybrid_rl.config.train import PhaseSettings, TrainSettings
from hybrid_rl.types import Update


class Moment(NamedTuple):
    """A moment of a run, between two updates."""

    step: int
    """How many optimizer steps are done."""
    progress: float
    """The share of the run that is over."""


def of_update(update: Update, train: TrainSettings, begin: Moment, end: Moment) -> float:
    """The rate of an update that takes the run from `begin` to `end`.

    Its schedule runs over the part of the run that the method names, `Update.schedule_span`.
    """
    phase = train.sft if (update.schedule or update.kind) == "sft" else train.rl
    span = update.schedule_span
    return learning_rate(
        phase, span.position(*begin), span.position(*end), span.steps_done(begin.step)
    )


def learning_rate(phase: PhaseSettings, begin: float, end: float, steps_done: float) -> float:
    """The rate of an update between two positions in [0, 1] on the schedule: a linear rise, then down towards `floor`.

    `steps_done`: the optimizer steps of the schedule before this one, by which a rise of so many steps goes.

    The rise goes by where the update ends, and what follows by where it begins. So the first update has a rate above 0,
    the last one of the rise the full rate, and the next one too. Of a run that is ended by steps, the i-th update, from
    0, of W in the rise has (i + 1) / W of the peak. Of one that is ended by FLOPs, an update has what is spent by its
    end, as a share of what the rise is to take. A norm that was measured just before an update may have used up the
    budget; the update then begins beyond 1, and has the last rate.
    """
    begin = min(begin, 1.0)
    rise = phase.warmup
    if rise >= 1:
        if steps_done < rise:
            return phase.learning_rate * (steps_done + 1) / rise
        # Which share of the schedule these steps were, nothing remembers: as large a part of it as of all steps so far.
        # Of a run that is ended by steps that is exact; of any other the fall begins at 0 and ends at 1 all the same.
        rise = begin * rise / steps_done
    elif begin < rise:
        return phase.learning_rate * min(1.0, end / rise)
    if phase.schedule == "constant":
        return phase.learning_rate
    left = _left(phase, begin, rise)
    return phase.learning_rate * (phase.floor + (1 - phase.floor) * left)


def _left(phase: PhaseSettings, begin: float, rise: float) -> float:
    """The share of the fall that is left at position `begin`, after a rise to position `rise`; it begins with 1.

    Each is transformers' schedule of that name, by shares of its length in place of steps.
    """
    if phase.schedule == "inverse_sqrt":
        return math.sqrt(rise / begin)
    if phase.schedule == "warmup_stable_decay":
        begin, rise = max(begin, 1 - phase.decay), 1 - phase.decay
    done = (begin - rise) / (1 - rise) if rise < 1 else 1.0
    return 1 - done if phase.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
