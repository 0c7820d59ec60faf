"""The summary and the panels of decisions, over logs that were written by hand and one that a method wrote."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.methods.base import Note
from hybrid_rl.methods.bread import Bread
from hybrid_rl.methods.bread_relift import BreadRelift
from hybrid_rl.methods.relift import Relift, ReliftSettings
from hybrid_rl.methods.sasr import Sasr, SasrSettings
from hybrid_rl.recording.files import append_json, write_json
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting import decisions, run_report
from tests.fakes import recorded

Labels = Mapping[str, Note]


def group(correct: int, **note: Any) -> dict[str, Any]:
    return {"example_id": "q", "correct": correct, "size": 4, "trained": True, "note": note}


def line(step: int, kind: str = "rl", *groups: dict[str, Any], **note: Any) -> dict[str, Any]:
    return {"step": step, "kind": kind, "note": note, "groups": list(groups)}


def rows(lines: list[dict[str, Any]], notes: Labels | None = None) -> dict[str, list[str]]:
    """Label -> cells, the header under its empty label."""
    summary = decisions.summary(lines, {} if notes is None else notes)
    split = [[cell.strip() for cell in row.split("|")[1:-1]] for row in summary]
    return {label: cells for label, *cells in split if label != "---"}


def panels(lines: list[dict[str, Any]], notes: Labels) -> dict[str, dict[str, Any]]:
    return {panel["title"]: panel for panel in decisions.panels([lines], notes)}


def anchored(k: int, share: float, shown: bool = False) -> dict[str, Any]:
    return group(2, outcome="anchor", anchor=k, episodes=8, prefix_share=share, shows_answer=shown)


def test_bread_outcomes_and_anchors_by_thirds() -> None:
    lost = group(0, outcome="dropped: longest prefix fails", anchor=None, episodes=4)
    lines = [
        line(1, "rl", anchored(6, 0.75), lost, anchor=1),
        line(2, "rl", anchored(2, 0.25, shown=True), anchored(1, 0.5), anchor=3),
        line(3, "rl", group(4, outcome="unguided"), group(1, outcome="unguided"), anchor=3),
    ]
    assert rows(lines, Bread.notes) == {
        "": ["step 1", "step 2", "step 3"],
        "SFT updates": ["0 of 1 (0%)", "0 of 1 (0%)", "0 of 1 (0%)"],
        "groups with correct and wrong rollouts": ["1 of 2 (50%)", "2 of 2 (100%)", "1 of 2 (50%)"],
        "groups: anchor": ["1 of 2 (50%)", "2 of 2 (100%)", "0 of 2 (0%)"],
        "groups: unguided": ["0 of 2 (0%)", "0 of 2 (0%)", "2 of 2 (100%)"],
        "groups: dropped: longest prefix fails": ["1 of 2 (50%)", "0 of 2 (0%)", "0 of 2 (0%)"],
        "episodes given (anchor), mean": ["6", "1.5", "-"],
        "episodes of a solution that was searched, mean": ["6", "8", "-"],
        "share of the expert's trace given (anchor), mean": ["0.75", "0.375", "-"],
        "prefixes in which the answer appears": ["0 of 1 (0%)", "1 of 2 (50%)", "-"],
    }


def test_sasr_probability_and_norms_by_thirds() -> None:
    """A warm-up has no probability, and a run without a usable norm no norms."""
    lines = [
        line(1, "sft", phase="warmup"),
        line(2, "sft", phase="warmup"),
        line(3, "rl", group(2), p=0.5, g_last=2.0, g_warmup=2.0),
        line(4, "sft", p=0.25, g_last=None, g_warmup=2.0),
        line(5, "rl", group(0), p=0.2, g_last=0.5, g_warmup=2.0),
        line(6, "rl", group(1), p=0.1, g_last=0.25, g_warmup=2.0),
    ]
    assert rows(lines, Sasr.notes) == {
        "": ["steps 1-2", "steps 3-4", "steps 5-6"],
        "SFT updates": ["2 of 2 (100%)", "1 of 2 (50%)", "0 of 2 (0%)"],
        "probability of SFT, mean": ["-", "0.375", "0.15"],
        "gradient norm of SFT, smoothed, mean": ["-", "2", "0.375"],
        "gradient norm of SFT in the warm-up, its reference, mean": ["-", "2", "2"],
        "groups with correct and wrong rollouts": ["-", "1 of 1 (100%)", "1 of 2 (50%)"],
    }


@pytest.mark.parametrize("nested", [False, True])
def test_relift_buffer_by_thirds_alone_and_as_a_part(nested: bool) -> None:
    notes: list[dict[str, Any]] = [
        {"buffer": 0},
        {"buffer": 3, "solved": 1, "without_trace": 2},
        {"buffer": 4, "solved": 5, "without_trace": 2, "ages_epochs": [0.5, 1.0]},
    ]
    if nested:
        notes = [{"bread": {"probes": 9}, "relift": note} for note in notes]
    lines = [line(step, "rl", group(0), **note) for step, note in enumerate(notes, 1)]
    found = rows(lines, BreadRelift.notes if nested else Relift.notes)
    assert found["questions in the buffer, mean"] == ["0", "3", "4"]
    assert found["left the buffer, solved meanwhile, so far"] == ["-", "1", "5"]
    assert found["hardest questions without a trace, so far"] == ["-", "2", "2"]
    assert found["epochs in the buffer before being learned, mean"] == ["-", "-", "0.75"]


def test_a_running_total_is_that_of_the_last_step_of_a_third() -> None:
    lines = [line(step, "rl", group(0), seen=step * 1000) for step in range(1, 7)]
    found = rows(lines, {"seen": Note("questions seen", "total")})
    assert found["questions seen, so far"] == ["2,000", "4,000", "6,000"]


@pytest.mark.parametrize(
    ("steps", "header"),
    [
        (1, ["step 1"]),
        (2, ["step 1", "step 2"]),
        (7, ["steps 1-2", "steps 3-5", "steps 6-7"]),
    ],
)
def test_every_step_is_in_one_third(steps: int, header: list[str]) -> None:
    assert rows([line(step, "rl", group(1)) for step in range(1, steps + 1)])[""] == header


def test_where_nothing_was_decided_there_is_no_summary() -> None:
    assert decisions.summary([], {}) == []
    assert decisions.summary([line(1, "sft"), line(2, "sft")], {}) == []


def test_a_note_without_a_label_is_not_shown() -> None:
    found = rows([line(1, "rl", group(1, mood="good"), weather={"p_rain": 1}, words="p")])
    assert list(found) == ["", "SFT updates", "groups with correct and wrong rollouts"]


def test_a_note_of_groups_is_not_taken_from_an_update() -> None:
    lines = [line(1, "rl", group(1, depth=2), depth=50)]
    assert rows(lines, {"depth": Note("depth", "mean", of="group")})["depth, mean"] == ["2"]
    assert rows(lines, {"depth": Note("depth", "mean")})["depth, mean"] == ["50"]


def test_a_run_without_labels_says_so_where_there_are_notes() -> None:
    plain, noted = [line(1, "rl", group(1))], [line(1, "rl", group(1, mood="good"))]
    assert decisions.UNLABELLED not in decisions.summary(plain, None)
    assert decisions.summary(noted, None) == [
        *decisions.summary(plain, {}),
        "",
        decisions.UNLABELLED,
    ]


def test_labels_come_back_from_the_run_directory(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert decisions.read_notes(run) is None
    write_json(run.notes, {name: asdict(note) for name, note in BreadRelift.notes.items()})
    assert decisions.read_notes(run) == BreadRelift.notes


def test_a_panel_for_every_labelled_number_or_fact() -> None:
    first = group(2, mood="good", depth=2, shown=True, given=0.25)
    lines = [line(1, "rl", first, group(1, shown=False), p=0.5), line(2, "sft", p=None, seen=7)]
    notes = {
        "p": Note("chance", "share"),
        "seen": Note("questions seen", "total"),
        "mood": Note("groups", "share", of="group"),
        "depth": Note("depth", "mean", of="group"),
        "shown": Note("shown", "share", of="group"),
        "given": Note("given", "share", of="group"),
    }
    found = panels(lines, notes)
    lines_of = {title: (p["values"], p["top"]) for title, p in found.items() if p["kind"] == "line"}
    assert lines_of == {
        "share of SFT updates": ([0, 1], 1),
        "chance": ([0.5, None], 1),
        "questions seen": ([None, 7], None),
        "groups with correct and wrong rollouts": ([1, None], 1),
        "depth": ([2, None], None),
        "shown": ([0.5, None], 1),
    }
    assert found["given"]["kind"] == "heat"
    assert found["given"]["values"] == [[0.5, 0, 0, 0.5, *[0] * 7], None]
    assert [*found][-1] == "given"


def test_relift_leaves_the_notes_that_it_labels() -> None:
    settings = ReliftSettings(
        name="relift",
        group_size=4,
        batch_size=2,
        entropy_bonus=0.0,
        order="fifo",
        dedupe=True,
        drop_solved=True,
        max_age_epochs=1.0,
        capacity_batches=1,
        moments="shared",
        select="hardest",
        every=None,
    )
    method = Relift(settings, {}, seed=0, steps=9)
    method.observe_results(0, [])
    assert Relift.notes.keys() - {"ages_epochs"} <= set(method.next_update(1, 0.0).note)


def test_sasr_leaves_the_notes_that_it_labels() -> None:
    settings = SasrSettings(
        name="sasr",
        group_size=4,
        warmup_steps=1,
        reference_steps=1,
        gamma=1.0,
        smoothing=0.0,
        probe_every=None,
        sft_schedule="sft",
        moments="shared",
        control=None,
        fixed_probability=0.5,
        signal="both",
        paired_run=None,
    )
    method = Sasr(settings, {}, seed=0, steps=9)
    method.observe_norm(0, method.next_update(0, 0.0), 2.0)
    assert Sasr.notes.keys() <= set(method.next_update(1, 0.0).note)


def test_what_is_read_of_a_log_has_the_same_summary_and_panels(tmp_path: Path) -> None:
    run, notes = RunDir(tmp_path), Bread.notes
    groups = (anchored(3, 0.5), {**group(4), "outcomes": {"correct": 4}, "uniform": True})
    lines = [line(step, "rl" if step % 2 else "sft", *groups) for step in range(1, 7)]
    for one in lines:
        append_json(run.decisions, one)
    read = decisions.read(run)
    assert decisions.summary(read, notes) == decisions.summary(lines, notes)
    assert decisions.panels([read], notes) == decisions.panels([lines], notes)
    assert {key for one in read for group in one["groups"] for key in group} == {
        "correct", "size", "note",
    }  # fmt: skip


def test_the_report_has_the_summary_between_cost_and_curves(tmp_path: Path) -> None:
    run = recorded.write_run(tmp_path)
    for step in range(1, 4):
        append_json(run.decisions, line(step, "sft" if step == 1 else "rl", group(step)))
    text = run_report.write(tmp_path).read_text()
    assert (
        "\n## What the method decided\n\n"
        "|  | step 1 | step 2 | step 3 |\n"
        "| --- | --- | --- | --- |\n"
        "| SFT updates | 1 of 1 (100%) | 0 of 1 (0%) | 0 of 1 (0%) |\n"
        "| groups with correct and wrong rollouts | 1 of 1 (100%) | 1 of 1 (100%) | 1 of 1 (100%) |\n"
        "\n## Curves\n"
    ) in text
