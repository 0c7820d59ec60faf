"""The position of a run: all that a resume needs beside what transformers saves with a checkpoint.

It knows neither the trainer nor the folder's name; `checkpoints` says when a folder is complete.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from hybrid_rl.config.settings import Settings
from hybrid_rl.methods.base import Method, MethodSettings
from hybrid_rl.recording import budget, checkpoints
from hybrid_rl.recording.budget import Spent
from hybrid_rl.recording.patience import Patience
from hybrid_rl.training.alarms import Guards
from hybrid_rl.training.reference import Reference
from hybrid_rl.training.streams import Stream
from hybrid_rl.types import Example


class Position:
    """Where a run stands, apart from what transformers saves; its parts are changed in place."""

    def __init__(
        self,
        method: Method[MethodSettings],
        examples: Sequence[Example],
        model: PreTrainedModel,
        settings: Settings,
    ) -> None:
        traced = [example for example in examples if example.trace]
        self._settings = settings
        self._steps = settings.train.steps
        limits = budget.limits_of(settings.model_dump())
        self._limits = budget.within_reach(limits, len(traced))
        self.method = method
        self.questions = Stream(examples, settings.seed, "questions")
        self.demonstrations = Stream(traced, settings.seed, "demonstrations") if traced else None
        self.spent = Spent()
        self.guards = Guards(settings.guards)
        self.reference = Reference(model, settings)
        self.patience = Patience()
        self.evaluation_due = False
        """Whether an evaluation on dev was left out on the way to a stop; a resume makes up for it."""

    def progress(self, step: int, spent: Spent | None = None) -> float:
        """The share of the run that is over after `step` steps, when so much is spent; None: what is spent by now.

        It is the same on all ranks, and after a resume, for so is what it is made of.
        """
        return budget.progress(step, self._steps, self._limits, self.axes(spent))

    @property
    def epochs(self) -> float:
        """Passes over the training set: those over its questions, and those over its demonstrations, together.

        What an update names by itself, and what is asked once more of a question, is of no further pass.
        """
        streams = [self.questions, *([self.demonstrations] if self.demonstrations else [])]
        # Thirds of a pass make a whole one.
        return round(sum(stream.taken / len(stream.items) for stream in streams), 9)

    def axes(self, spent: Spent | None = None) -> dict[str, float]:
        """What limits go by, by axis: what is `spent`, None: by now; and the epochs, where train.epochs limits them."""
        axes = (spent or self.spent).axes()
        return axes if self._limits["epochs"] is None else axes | {"epochs": self.epochs}

    @property
    def stops_early(self) -> bool:
        """Whether dev has not got better for train.patience looks."""
        return self.patience.is_over(self._settings.train.patience)

    @property
    def is_over(self) -> bool:
        """Whether the run ends, however many steps are left: a limit is used up, or dev gets no better."""
        return self.stops_early or budget.reached(self._limits, self.axes()) is not None

    def save(self, checkpoint: Path, step: int) -> None:
        """Adds our part to a checkpoint that transformers has written, and marks it complete."""
        self.reference.save(checkpoint)
        checkpoints.write_settings(checkpoint, self._settings.model_dump_json(indent=2))
        checkpoints.write_state(checkpoint, self.state_dict(step))

    def load(self, checkpoint: Path) -> int:
        """Goes back to where a run stood when `checkpoint` was saved. Returns how many optimizer steps that was."""
        state = checkpoints.read_state(checkpoint)
        self.load_state_dict(state)
        self.reference.load(checkpoint)
        step: int = state["step"]
        return step

    def state_dict(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "questions_taken": self.questions.taken,
            "demonstrations_taken": self.demonstrations.taken if self.demonstrations else 0,
            "spent": asdict(self.spent),
            "progress": self.progress(step),
            "method": self.method.state_dict(),
            "guards": self.guards.state_dict(),
            "patience": asdict(self.patience),
            "evaluation_due": self.evaluation_due,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.questions.taken = state["questions_taken"]
        if self.demonstrations is not None:
            self.demonstrations.taken = state["demonstrations_taken"]
        vars(self.spent).update(state["spent"])
        self.method.load_state_dict(state["method"])
        if state["progress"] > 0:
            # 1 exactly where the limits are those of the run that was saved.
            self.method.rescale_progress(self.progress(state["step"]) / state["progress"])
        self.guards.load_state_dict(state["guards"])
        # Runs of before there was such a limit have none, and it counts from here.
        self.patience = Patience(**state.get("patience", {}))
        self.evaluation_due = state["evaluation_due"]
