"""Dev during training: it is evaluated and recorded, and the best weights so far are kept.

It knows no trainer: a trainer calls it, and tells it the step and what the run has spent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.recording.budget import Spent
from hybrid_rl.recording.step_lines import Recorder
from hybrid_rl.training.best_model import BestModel


@dataclass
class DevEvaluation:
    """What a trainer calls as train.eval_every says: it evaluates dev, records it and keeps the best weights."""

    measure: Callable[[int], SetSummary | None]
    """The function that evaluates dev after a step, on all ranks; it returns None where there is no dev set."""
    recorder: Recorder
    best: BestModel | None = None

    def begin(self, found: SetSummary | None) -> None:
        """Records dev before training, where curves start; it is measured unless it was `found` already.

        Nothing is spent by then, and the weights are not weighed: a run's best ones are trained ones.
        """
        summary = found or self.measure(0)
        if summary is not None:
            self._record(0, summary, Spent().axes())

    def evaluate(self, step: int, axes: Mapping[str, float]) -> float | None:
        """Evaluates dev after `step`, when the run has spent `axes`. All ranks enter; a step may come twice.

        Returns the greedy accuracy, rank 0's on all ranks, for a verifier's clock could make them differ; None where
        there is no dev set.
        """
        summary = self.measure(step)
        if summary is None:
            return None
        self._record(step, summary, axes)
        if self.best is not None:
            self.best.consider(step, summary.greedy.value)
        accuracy: float = broadcast_object_list([summary.greedy.value])[0]
        return accuracy

    def keep_with(self, checkpoint: Path) -> None:
        """Puts what was chosen so far into a checkpoint that is being written; rank 0 only."""
        if self.best is not None:
            self.best.keep_with(checkpoint)

    def _record(self, step: int, summary: SetSummary, axes: Mapping[str, float]) -> None:
        if PartialState().is_main_process:
            self.recorder.dev(step, {**summary.flat(), **axes})
