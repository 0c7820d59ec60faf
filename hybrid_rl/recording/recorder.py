"""The record of a real run: files first, which are the source of truth, then the tracker and the progress bar.

It records what it is given. It knows neither models nor evaluation nor checkpoints, and is called on rank 0 only.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hybrid_rl.methods.base import Note
from hybrid_rl.recording import files, tables
from hybrid_rl.recording.progress import Progress
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.recording.trackers import Tracker


class RunRecorder:
    """Writes a run's lines into its directory and shows them; it is a `step_lines.Recorder`."""

    def __init__(self, directory: RunDir, tracker: Tracker, progress: Progress) -> None:
        self.directory = directory
        self.tracker = tracker
        self.progress = progress

    def label_notes(self, notes: Mapping[str, Note]) -> None:
        """Records what a method's notes are called, for reports."""
        labels = {name: asdict(note) for name, note in notes.items()}
        files.write_json(self.directory.notes, labels)

    def update(self, metrics: dict[str, Any], decision: dict[str, Any]) -> None:
        """Records one optimizer step."""
        files.append_json(self.directory.metrics, metrics)
        files.append_json(self.directory.decisions, decision)
        self.tracker.log({**metrics, **tables.numbers(decision["note"])}, metrics["step"])
        self.progress.update(metrics)

    def alarm(self, record: Mapping[str, Any]) -> None:
        """Records an alarm that begins, or an update that is skipped."""
        files.append_json(self.directory.alarms, record)

    def rollouts(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Records the rollouts of `step` in a file of their own."""
        files.write_jsonl(self.directory.rollouts(step), rows)
        self.tracker.table("rollouts", tables.of_rollouts(rows), step)

    def dev(self, step: int, line: Mapping[str, float]) -> None:
        """Records what dev showed after `step`, in place of an earlier evaluation of the same step."""
        record = {"step": step, "set": "dev", **line}
        files.rewind(self.directory.progress, step - 1)  # a resume may evaluate a step again
        files.append_json(self.directory.progress, record)
        self.tracker.log(record, step)
        self.progress.dev(step, line["greedy"])

    def report(self, step: int, sets: Mapping[str, Mapping[str, float]]) -> None:
        """Shows evaluations, which have their own files, in the tracker: set by set, each a flat line."""
        for name, line in sets.items():
            self.tracker.log({"set": name, **line}, step)

    def show_decisions(self, step: int) -> None:
        """Shows the whole decision log in the tracker, once training is over."""
        lines = files.read_jsonl(self.directory.decisions)
        self.tracker.table("decisions", tables.of_decisions(lines), step)

    def rewind(self, step: int) -> None:
        """Forgets what came after `step`: a resume from there writes it again."""
        run = self.directory
        for path in (run.metrics, run.decisions):
            files.rewind_steps(path, step)
        for path in (run.progress, run.alarms):
            files.rewind(path, step)
