"""The record of a real run: files first, which are the source of truth, then tracker, progress bar, dev evaluation."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import PartialState

from hybrid_rl.evaluation.evaluator import Workbench
from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.recording import files, tables
from hybrid_rl.recording.budget import Spent
from hybrid_rl.recording.files import rewind
from hybrid_rl.recording.progress import Progress
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.recording.trackers import Tracker
from hybrid_rl.training import checkpoints
from hybrid_rl.training.best_model import Best


class RunRecorder:
    """What the trainer reports to, see journal.Recorder."""

    def __init__(
        self, directory: RunDir, tracker: Tracker, progress: Progress, workbench: Workbench
    ) -> None:
        self.directory, self.tracker, self.progress, self.workbench = (
            directory,
            tracker,
            progress,
            workbench,
        )
        self.best: Best | None = None
        """With eval.best; it needs the trainer, which needs this."""

    def update(self, metrics: dict[str, Any], decision: dict[str, Any]) -> None:
        files.append_json(self.directory.metrics, metrics)
        files.append_json(self.directory.decisions, decision)
        self.tracker.log({**metrics, **tables.numbers(decision["note"])}, metrics["step"])
        self.progress.update(metrics)

    def alarm(self, record: Mapping[str, Any]) -> None:
        files.append_json(self.directory.alarms, record)

    def rollouts(self, step: int, rows: list[dict[str, Any]]) -> None:
        lines = [f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows]
        files.write_text(self.directory.rollouts(step), "".join(lines))
        self.tracker.table("rollouts", tables.of_rollouts(rows), step)

    def show_decisions(self, step: int) -> None:
        """The whole decision log, once training is over."""
        lines = files.read_jsonl(self.directory.decisions)
        self.tracker.table("decisions", tables.of_decisions(lines), step)

    def evaluate(self, step: int, axes: Mapping[str, float]) -> None:
        summary = self.workbench.evaluate_dev(step)
        if summary is None:
            return
        self._evaluated(step, summary, axes)
        if self.best is not None:
            self.best.consider(step, summary.greedy.value)

    def begin(self, dev: SetSummary | None) -> None:
        """Where curves start: dev before training, when nothing is spent; the weights are not chosen as best."""
        if dev is not None:
            self._evaluated(0, dev, Spent().axes())

    def _evaluated(self, step: int, summary: SetSummary, axes: Mapping[str, float]) -> None:
        if PartialState().is_main_process:
            line = {"step": step, "set": "dev", **summary.flat(), **axes}
            rewind(self.directory.progress, step - 1)  # a resume may evaluate a step again
            files.append_json(self.directory.progress, line)
            self.tracker.log(line, step)

    def checkpoint(self, directory: Path) -> None:
        if self.best is not None:
            self.best.keep_with(directory)

    def report(self, step: int, found: Mapping[str, SetSummary]) -> None:
        """Show an evaluation, which has its own files, in the tracker too."""
        for name, summary in found.items():
            self.tracker.log({"set": name, **summary.flat()}, step)

    def rewind(self, checkpoint: Path | None) -> None:
        """Forget what came after `checkpoint`, or all of it: a resume from there writes it again. All ranks enter."""
        if self.best is not None:
            self.best.restore(checkpoint)
        if PartialState().is_main_process:
            step = 0 if checkpoint is None else checkpoints.read_state(checkpoint)["step"]
            run = self.directory
            for path in (run.metrics, run.decisions, run.progress, run.alarms):
                rewind(path, step)
            checkpoints.drop_incomplete(self.directory.checkpoints)
        PartialState().wait_for_everyone()
