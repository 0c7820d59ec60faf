"""The arithmetic of calibrate=true: from what a few steps and evaluations took to the time and the price of runs.

Pure: it measures nothing and loads no torch. `measure` makes a `Measured`, in a worker of the run that is planned.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil

from hybrid_rl.config.settings import Settings
from hybrid_rl.recording.files import read_json, write_json
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.tools import estimate
from hybrid_rl.types import Kind

_FILE = "calibration.json"


@dataclass(frozen=True)
class Measured:
    """What steps, evaluations and the rest of a run took, by rank 0's clock."""

    steps: dict[Kind, dict[str, float]]
    """Kind -> axis -> the mean over its later steps: the axes of `budget`, `steps` itself, and `seconds`, those from
    the end of a step to the end of the next."""
    counts: dict[Kind, int]
    """Kind -> how many steps were made; the first of a kind is not in the mean where there are more, and the earlier
    half is not where there are many."""
    dev_seconds: float
    """Seconds of a look at dev in training; 0 where there are none."""
    set_seconds: dict[str, float]
    """Set of eval.sets -> seconds of its evaluation."""
    fixed_seconds: float
    """Seconds of all else that every run does once: start-up, the data, the model, and the report."""
    checkpoint_seconds: float | None
    """Seconds of writing a checkpoint; None: it was not measured, for it is large."""
    beginning_seconds: float = 0.0
    """Seconds that the steps took together beyond what as many later ones take: once in a run, as the start-up."""

    def write(self, run: RunDir) -> None:
        """Leaves it in the directory of the run that was begun."""
        write_json(run.path / _FILE, asdict(self))

    @classmethod
    def read(cls, run: RunDir) -> "Measured":
        """What was measured in this directory."""
        return cls(**read_json(run.path / _FILE))


@dataclass(frozen=True)
class Prediction:
    """The time of a run, in seconds, by what takes it."""

    steps: int
    sft_steps: int
    ended_by: str | None
    """The axis of the budget that ends the run; None: train.steps does."""
    training: float
    looks: float
    """Looks at dev in training."""
    evaluations: float
    """The evaluations before and after training, and of the weights that were best on dev."""
    checkpoints: float
    fixed: float

    @property
    def seconds(self) -> float:
        """The time of the run from the start of its workers to its report."""
        return self.training + self.looks + self.evaluations + self.checkpoints + self.fixed


def predict(settings: Settings, measured: Measured) -> Prediction:
    """The time of a run whose steps take what was measured, of a method that makes as much SFT as it expects."""
    sft, rl = measured.steps.get("sft", {}), measured.steps.get("rl", {})
    # A kind that the method does not plan for has no steps, and what it takes plays no part.
    course = estimate.course_of(settings, sft or rl, rl or sft, expected=True)
    made, of_sft = course.steps, course.plan.expected
    seconds = {kind: axes["seconds"] for kind, axes in measured.steps.items()}
    training = of_sft * seconds.get("sft", 0.0) + (made - of_sft) * seconds.get("rl", 0.0)
    training += measured.beginning_seconds
    return Prediction(
        steps=made,
        sft_steps=of_sft,
        ended_by=course.ended_by,
        training=training,
        looks=looks(settings, made) * measured.dev_seconds,
        evaluations=evaluations(settings) * sum(measured.set_seconds.values()),
        checkpoints=_checkpoints(settings, made) * (measured.checkpoint_seconds or 0.0),
        fixed=measured.fixed_seconds,
    )


def looks(settings: Settings, steps: int) -> int:
    """How often a run that ends after `steps` looks at dev, apart from the evaluation before it where that has dev."""
    every, evaluation = settings.train.eval_every, settings.eval
    if every is None:
        return 0
    known = "dev" in evaluation.sets and evaluation.samples == evaluation.dev_samples
    before = int(evaluation.before and not known)
    # The last look is after the last step, whether or not one was due then.
    return before + (ceil(steps / every) if every >= 1 else ceil(1 / every - 1e-9))


def evaluations(settings: Settings) -> int:
    """How often eval.sets are evaluated: after training, and before it and with the best weights where asked for."""
    return 1 + settings.eval.before + settings.eval.best


def _checkpoints(settings: Settings, steps: int) -> int:
    return ceil(steps / (settings.train.save_every or steps))


def device_hours(settings: Settings, seconds: float) -> float:
    """The hours of all devices of a run that takes so many seconds, evaluations and start-up included."""
    return seconds * settings.hardware.world_size / 3600


def side_by_side(seconds: Sequence[float], slots: int, waits: Mapping[int, int]) -> float:
    """The seconds until the last of several jobs has ended, `slots` at a time, in order.

    `waits`: job -> the job that must end before it starts; later ones go first meanwhile.
    """
    left, ended = list(range(len(seconds))), set[int]()
    running, now = list[tuple[float, int]](), 0.0
    while left or running:
        free = slots - len(running)
        ready = [job for job in left if job not in waits or waits[job] in ended]
        for job in ready[:free]:
            left.remove(job)
            heapq.heappush(running, (now + seconds[job], job))
        now, job = heapq.heappop(running)
        ended.add(job)
    return now


def in_words(seconds: float) -> str:
    """A duration as one says it: 48 s, 12 min, 3.5 h, 2.1 days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min" if seconds >= 600 else f"{seconds / 60:.1f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
