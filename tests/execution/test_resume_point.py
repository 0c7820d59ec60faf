"""Where a resume goes on: whole checkpoints, logs that reach them, and settings that are still those of the run."""

import json
import logging
from pathlib import Path

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import UserError
from hybrid_rl.execution import launch, resume_point
from hybrid_rl.recording import checkpoints
from hybrid_rl.recording.run_directory import RunDir
from tests.execution.conftest import checkpoint_of


@pytest.fixture
def cut(started: tuple[Settings, RunDir]) -> tuple[Settings, RunDir]:
    """A run that was cut off after its checkpoints of steps 4 and 8, and the settings that resume it."""
    settings, run = started
    checkpoint_of(run, 4)
    checkpoint_of(run, 8)
    run.write_status("failed", error="x", exit_code=1)
    return settings.model_copy(update={"resume": str(run.path)}), run


def refusal(run: RunDir, settings: Settings) -> str:
    with pytest.raises(UserError) as raised:
        launch.prepare(settings, ["hybrid-rl"], run.path)
    return str(raised.value).replace(str(run.path), "RUN")


def test_a_damaged_checkpoint_is_set_aside_with_a_warning_and_the_older_one_is_taken(
    cut: tuple[Settings, RunDir], caplog: pytest.LogCaptureFixture
) -> None:
    settings, run = cut
    (run.checkpoints / "checkpoint-8" / "optimizer.pt").unlink()
    with caplog.at_level(logging.WARNING):
        launch.prepare(settings, ["hybrid-rl"], run.path)
    assert [path.name for path in checkpoints.complete(run.checkpoints)] == ["checkpoint-4"]
    assert (run.checkpoints / "damaged-checkpoint-8" / "hybrid_state.json").exists()
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.replace(str(run.path), "RUN") == (
        "RUN/checkpoints/checkpoint-8: optimizer.pt is missing; it is damaged-checkpoint-8 now, and the run goes on"
        " from checkpoint-4"
    )


def test_without_a_whole_checkpoint_nothing_is_changed(cut: tuple[Settings, RunDir]) -> None:
    settings, run = cut
    (run.checkpoints / "checkpoint-8" / "optimizer.pt").write_text("moments of step 9")
    (run.checkpoints / "checkpoint-4" / "hybrid_state.json").write_text("{}")
    assert refusal(run, settings) == (
        "resume = RUN: no checkpoint is whole (checkpoint-8: optimizer.pt was changed; checkpoint-4: hybrid_state.json"
        " cannot be read, or is of another version); put the files back as they were, or start a new run"
    )
    names = ["checkpoint-4", "checkpoint-8"]
    assert sorted(path.name for path in run.checkpoints.iterdir()) == names


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([1, 2, 3], "is damaged: it has lines of 3 steps instead of 8"),
        ([1, 2, 3, 5, 6, 7, 8, 9], "is damaged: line 4 is of step 5"),
        ([1, 2, "\x00\x00", 4, 5, 6, 7, 8], "is damaged: line 3 is no JSON object ('\\x00\\x00')"),
    ],
)
def test_logs_must_reach_the_checkpoint(
    cut: tuple[Settings, RunDir], lines: list[int | str], what: str
) -> None:
    settings, run = cut
    text = [json.dumps({"step": one}) if isinstance(one, int) else one for one in lines]
    run.decisions.write_text("".join(f"{line}\n" for line in text))
    assert refusal(run, settings) == (
        f"resume = RUN: RUN/decisions.jsonl: {what}; put the file back as it was when checkpoint-8 was saved"
    )


def test_garbage_after_the_position_of_the_checkpoint_is_dropped_with_the_rest(
    cut: tuple[Settings, RunDir],
) -> None:
    settings, run = cut
    with run.metrics.open("a") as file:
        file.write('{"step": 9}\n\0\0\0\n{"step": 1')
    launch.prepare(settings, ["hybrid-rl"], run.path)


def test_edited_settings_are_listed_and_refused_unless_allowed_by_name(
    cut: tuple[Settings, RunDir],
) -> None:
    settings, run = cut
    edited = settings.model_copy(
        update={"seed": 7, "train": settings.train.model_copy(update={"max_grad_norm": 2.0})}
    )
    assert refusal(run, edited) == (
        "seed = 7: was 0 when checkpoint-8 was saved, and settings.json was changed since; change it back, or allow it"
        " with 'resume_allows=[seed]'\n"
        "train.max_grad_norm = 2.0: was 1.0 when checkpoint-8 was saved, and settings.json was changed since; change it"
        " back, or allow it with 'resume_allows=[train.max_grad_norm]'"
    )
    allowed = edited.model_copy(update={"resume_allows": ("seed", "train.max_grad_norm")})
    launch.prepare(allowed, ["hybrid-rl"], run.path)


def test_fewer_steps_than_the_checkpoint_has_are_refused(cut: tuple[Settings, RunDir]) -> None:
    settings, run = cut
    fewer = settings.model_copy(update={"train": settings.train.model_copy(update={"steps": 7})})
    assert refusal(run, fewer) == (
        "train.steps = 7: checkpoint-8 is further than that; give at least 8, or move later checkpoints away to go on"
        " from an earlier one"
    )
    as_many = settings.train.model_copy(update={"steps": 8})
    launch.prepare(settings.model_copy(update={"train": as_many}), ["hybrid-rl"], run.path)


def test_links_are_not_written_through(cut: tuple[Settings, RunDir], tmp_path: Path) -> None:
    settings, run = cut
    elsewhere = tmp_path / "precious"
    elsewhere.write_text("precious")
    (run.path / "alarms.jsonl").symlink_to(elsewhere)
    assert refusal(run, settings) == (
        "resume = RUN: holds links (alarms.jsonl), through which the run would write elsewhere; put files and"
        " directories in their places"
    )
    run.lock(0).unlink()
    run.lock(0).symlink_to(elsewhere)
    assert "is a link, and no lock of a run" in refusal(run, settings)
    assert elsewhere.read_text() == "precious"


def test_what_killed_writers_left_is_swept(cut: tuple[Settings, RunDir]) -> None:
    settings, run = cut
    partial = run.path / "eval" / "summary.json.123.partial"
    partial.parent.mkdir()
    partial.write_text("{")
    launch.prepare(settings, ["hybrid-rl"], run.path)
    assert not partial.exists()


def test_what_is_checked_changes_nothing(cut: tuple[Settings, RunDir]) -> None:
    settings, run = cut
    (run.checkpoints / "checkpoint-8" / "optimizer.pt").unlink()
    chosen, damaged = resume_point.find(run, settings)
    assert chosen == run.checkpoints / "checkpoint-4"
    assert damaged == {run.checkpoints / "checkpoint-8": "optimizer.pt is missing"}
