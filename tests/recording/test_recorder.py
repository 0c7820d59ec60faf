"""The files that a run's recorder leaves, and what it shows in the tracker."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from hybrid_rl.recording.files import append_json, read_jsonl
from hybrid_rl.recording.progress import Progress
from hybrid_rl.recording.recorder import RunRecorder
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.recording.trackers import Tracker


class Kept(Tracker):
    """A tracker that keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[tuple[int, Mapping[str, Any]]] = []
        self.tables: list[tuple[str, int, int]] = []

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        self.logged.append((step, dict(metrics)))

    def table(self, name: str, table: Any, step: int) -> None:
        self.tables.append((name, len(table.rows), step))


def made(path: Path) -> tuple[RunRecorder, RunDir, Kept]:
    directory, tracker = RunDir(path), Kept()
    return (
        RunRecorder(directory, tracker, Progress(4, Console(file=io.StringIO()))),
        directory,
        tracker,
    )


def metrics(step: int) -> dict[str, Any]:
    spent = {"generated_tokens": 0, "trained_tokens": 8 * step, "wall_seconds": 1.0 * step}
    return {"step": step, "kind": "sft", "loss": 2.0, **spent}


def decision(step: int, **note: Any) -> dict[str, Any]:
    return {"step": step, "kind": "sft", "note": note, "groups": []}


def test_a_step_is_a_line_in_two_files_and_its_note_a_number_in_the_tracker(tmp_path: Path) -> None:
    recorder, directory, tracker = made(tmp_path)
    recorder.update(metrics(1), decision(1, p=0.5))
    assert read_jsonl(directory.metrics) == [metrics(1)]
    assert read_jsonl(directory.decisions) == [decision(1, p=0.5)]
    [(step, shown)] = tracker.logged
    assert step == 1
    assert shown.items() > metrics(1).items()
    assert 0.5 in shown.values()


def test_rollouts_have_a_file_for_their_step(tmp_path: Path) -> None:
    recorder, directory, tracker = made(tmp_path)
    recorder.rollouts(3, [{"completion": "é"}, {"completion": "b"}])
    assert directory.rollouts(3).read_text(encoding="utf-8") == (
        '{"completion": "é"}\n{"completion": "b"}\n'
    )
    assert tracker.tables == [("rollouts", 2, 3)]


def test_dev_of_a_step_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    recorder, directory, tracker = made(tmp_path)
    for step, greedy in ((2, 0.1), (4, 0.2), (4, 0.3)):
        recorder.dev(step, {"greedy": greedy, "flops": 9.0})
    expected = [
        {"step": 2, "set": "dev", "greedy": 0.1, "flops": 9.0},
        {"step": 4, "set": "dev", "greedy": 0.3, "flops": 9.0},
    ]
    assert read_jsonl(directory.progress) == expected
    assert [step for step, _ in tracker.logged] == [2, 4, 4]


def test_a_rewind_forgets_what_came_after_in_every_file(tmp_path: Path) -> None:
    recorder, directory, _ = made(tmp_path)
    for step in (1, 2, 3):
        recorder.update(metrics(step), decision(step))
        recorder.alarm({"step": step, "alarm": "disk"})
        recorder.dev(step, {"greedy": 0.1})
    recorder.rewind(2)
    for path in (directory.metrics, directory.decisions, directory.alarms, directory.progress):
        assert [line["step"] for line in read_jsonl(path)] == [1, 2], path.name


def test_an_evaluation_is_shown_set_by_set(tmp_path: Path) -> None:
    recorder, directory, tracker = made(tmp_path)
    recorder.report(4, {"easy": {"greedy": 0.5}, "hard": {"greedy": 0.25}})
    assert tracker.logged == [
        (4, {"set": "easy", "greedy": 0.5}),
        (4, {"set": "hard", "greedy": 0.25}),
    ]
    assert not directory.progress.exists()


def test_the_whole_decision_log_is_shown_at_the_end(tmp_path: Path) -> None:
    recorder, directory, tracker = made(tmp_path)
    for step in (1, 2):
        append_json(directory.decisions, json.loads(json.dumps(decision(step))))
    recorder.show_decisions(2)
    assert tracker.tables == [("decisions", 2, 2)]
