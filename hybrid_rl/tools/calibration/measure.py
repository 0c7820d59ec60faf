"""Measures what steps of every kind, evaluations and the rest of a run take, in a worker that is started for it.

The run begins as it would, and is cut short: where its opening of SFT takes too long, its rest is passed over, and
a kind that does not come by itself is made. Weights and lengths are those of such a beginning. Half a minute is shared
out; one step of each kind and a part of every evaluation are made in any case.
"""

import time
from collections.abc import Callable
from statistics import fmean
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from hybrid_rl.config.settings import Settings
from hybrid_rl.config.train import BudgetSettings
from hybrid_rl.data.encoding import Examples
from hybrid_rl.evaluation.evaluator import Evaluator
from hybrid_rl.methods.base import Plan
from hybrid_rl.models import loading
from hybrid_rl.models.policy import Policy
from hybrid_rl.recording.progress import Progress
from hybrid_rl.recording.recorder import RunRecorder
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.recording.trackers import Tracker
from hybrid_rl.reporting import run_report
from hybrid_rl.tools import estimate
from hybrid_rl.tools.calibration.prediction import Measured
from hybrid_rl.training import arguments
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.types import Kind, Update
from hybrid_rl.verification.grader import Grader

_OPENING_SECONDS, _TRAINING_SECONDS, _EVALUATION_SECONDS = 8.0, 20.0, 10.0
_MANY = 8  # steps of a kind, half of which give a mean
_LARGE_BYTES = 2**30
"""The size of a checkpoint from which on none is written for the sake of its time."""


def measure(
    settings: Settings, run: RunDir, grader: Grader, load: Callable[[], tuple[Policy, Examples]]
) -> None:
    """Trains a few steps, evaluates a few questions, and writes what that took. All ranks enter."""
    args = arguments.build(settings)  # ZeRO-3 wants it before the model
    policy, examples = load()
    parameters = loading.parameter_count(policy.model)
    bound = estimate.work(settings, estimate.lengths_of(examples.train), parameters)
    shortened = _shortened(settings, bound.steps)
    args.max_steps = bound.steps
    trainer = _CutShort(
        args=args,
        policy=policy,
        method=shortened.method_class(
            shortened.method, {e.id: e for e in examples.train}, settings.seed, bound.steps
        ),
        examples=examples.train,
        grader=grader,
        settings=shortened,
        recorder=RunRecorder(run, Tracker(), Progress(bound.steps)),
    )
    trainer.run()
    checkpoint = None
    if 12 * parameters <= _LARGE_BYTES:  # weights and two moments of Adam, in float32
        checkpoint = trainer.checkpoint_seconds()
        trainer.save(run.model)
    began = time.monotonic()
    looks = _evaluation_seconds(
        settings, examples, lambda cut: Evaluator(cut, run, examples, grader, trainer.policy)
    )
    evaluated = time.monotonic() - began
    if not PartialState().is_main_process:
        return
    run_report.write(run.path)
    made = {kind: steps for kind, steps in trainer.made.items() if steps}
    means = {kind: mean_of_later(steps) for kind, steps in made.items()}
    of_steps = sum(step["seconds"] for steps in made.values() for step in steps)
    beyond = of_steps - sum(means[kind]["seconds"] * len(steps) for kind, steps in made.items())
    whole = time.time() - run.settings.stat().st_mtime  # written when the run was begun
    found = Measured(
        steps=means,
        counts={kind: len(steps) for kind, steps in made.items()},
        dev_seconds=looks.pop("", 0.0),
        set_seconds=looks,
        fixed_seconds=whole - of_steps - evaluated - (checkpoint or 0.0),
        checkpoint_seconds=checkpoint,
        beginning_seconds=beyond,
    )
    found.write(run)


def _shortened(settings: Settings, steps: int) -> Settings:
    """The settings by which is measured: no limit plays a part, for clocks and counts are not those of a run."""
    unlimited = BudgetSettings(**dict.fromkeys(BudgetSettings.model_fields))
    train = settings.train.model_copy(
        update={"steps": steps, "epochs": None, "eval_every": None, "rollouts_every": steps + 1}
    )
    return settings.model_copy(update={"budget": unlimited, "train": train})


class _CutShort(HybridTrainer):
    """Makes steps of every kind that the method plans for, until the time for them is up."""

    def __init__(self, **everything: Any) -> None:
        super().__init__(**everything)
        self.made: dict[Kind, list[dict[str, float]]] = {"sft": [], "rl": []}
        """Kind -> what each of its steps took, by axis."""
        steps = self.settings.train.steps
        self._foreseen: Plan = self.settings.method.plan(steps)
        wanted: dict[Kind, bool] = {
            "sft": self._foreseen.expected > 0,
            "rl": self._foreseen.fewest < steps and self.settings.method.group_size is not None,
        }
        self._wanted_kinds = [kind for kind, is_wanted in wanted.items() if is_wanted]
        self._forced_kind: Kind | None = None
        self._spent_before: dict[str, float] = {}
        self._measuring_since = self._last_end = time.monotonic()

    def _next_update(self) -> Update:
        if self._forced_kind is None:
            return super()._next_update()
        taught = self.settings.sft_batch[1] if self._forced_kind == "sft" else None
        return Update(self._forced_kind, demonstrations=taught)

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        super().log(logs, start_time)
        if "loss" not in logs:
            return
        now = time.monotonic()
        self.made[self.now.update.kind].append(self._taken(now))
        self._last_end = now
        passed: float = broadcast_object_list([now - self._measuring_since])[0]
        self._go_on(passed)

    def _taken(self, now: float) -> dict[str, float]:
        """What the step took, by axis."""
        axes = {**self.spent.axes(), "epochs": self.position.epochs}
        taken = {axis: total - self._spent_before.get(axis, 0.0) for axis, total in axes.items()}
        self._spent_before = axes
        # In a first pass over the questions each trace is a new one.
        taken["traces_used"] = float(len(self.now.cost.trace_tokens))
        return taken | {"steps": 1.0, "seconds": now - self._last_end}

    def _go_on(self, passed: float) -> None:
        """Decides what the next step is: the one that follows, one further on, one of a missing kind, or none."""
        opening, step = self._foreseen.opening, self.state.global_step
        if step < opening and passed > _OPENING_SECONDS:
            self.state.global_step = step = opening
        if step < opening or passed <= _TRAINING_SECONDS:
            return
        missing = [kind for kind in self._wanted_kinds if not self.made[kind]]
        self._forced_kind = missing[0] if missing else None
        if not missing:
            self.control.should_training_stop = True

    def checkpoint_seconds(self) -> float:
        """The seconds of writing a checkpoint of the model as it is now. All ranks enter."""
        began = time.monotonic()
        self._save_checkpoint(self.model, None)
        return time.monotonic() - began


def mean_of_later(steps: list[dict[str, float]]) -> dict[str, float]:
    """The mean by axis of those steps of a kind that are most like the ones to come.

    It is without the first step, in which much is done for the first time, and where many were made without the earlier
    half of the others: what is learned first makes searches shorter and changes the length of completions most.
    """
    counted = steps[1:] or steps
    if len(counted) >= _MANY:
        counted = counted[len(counted) // 2 :]
    return {axis: fmean(step[axis] for step in counted) for axis in counted[0]}


def _evaluation_seconds(
    settings: Settings, examples: Examples, evaluator: Callable[[Settings], Evaluator]
) -> dict[str, float]:
    """The seconds of every set of eval.sets, and under the empty name of a look at dev, where there are looks."""
    sets = {"dev": examples.dev, **examples.test}
    wanted = {name: (name, settings.eval.samples) for name in settings.eval.sets}
    if settings.train.eval_every is not None and examples.dev:
        wanted[""] = ("dev", settings.eval.dev_samples)
    found: dict[str, float] = {}
    for key, (name, samples) in wanted.items():

        def evaluate(limit: int, name: str = name, samples: int = samples) -> None:
            limits = {"limit": limit, "sets": [name], "samples": samples}
            cut = settings.model_copy(update={"eval": settings.eval.model_copy(update=limits)})
            evaluator(cut).at("after")

        questions = min(len(sets[name]), settings.eval.limit or len(sets[name]))
        # Fewer than fill a batch of generate take about as long as those.
        first = -(-settings.hardware.generation_batch // max(1, samples))
        most = _EVALUATION_SECONDS / len(wanted)
        found[key] = seconds_of(evaluate, min(first, questions), questions, most)
    return found


def seconds_of(evaluate: Callable[[int], None], first: int, questions: int, most: float) -> float:
    """The seconds of an evaluation of `questions`, from as many of them as fit into `most` seconds, or from `first`."""
    count, began = first, time.monotonic()
    while True:
        start = time.monotonic()
        evaluate(count)
        now = time.monotonic()
        took, spent = broadcast_object_list([now - start, now - began])
        larger = min(4 * count, questions)
        if count == questions or spent + took * larger / count > most:
            return float(took * questions / count)
        count = larger
