"""Rewards that another verifier disputes, over rollouts that were written by hand and verified for real."""

from pathlib import Path
from typing import Any

from hybrid_rl.recording.files import write_json, write_jsonl
from hybrid_rl.reporting import disputed
from hybrid_rl.reporting.record import RunRecord
from tests.conftest import Load


def record(load: Load, directory: Path, rows: list[dict[str, Any]], *typed: str) -> RunRecord:
    write_json(directory / "settings.json", load(*typed).model_dump(mode="json"))
    write_jsonl(directory / "rollouts" / "step_000010.jsonl", rows)
    return RunRecord.read(directory)


def row(completion: str, reward: float = 1.0, outcome: str = "correct") -> dict[str, Any]:
    return {
        "step": 10, "example_id": "q1", "answer": "42", "completion": completion, "prefix": "So ", "reward": reward,
        "outcome": outcome,
    }  # fmt: skip


def test_the_rollouts_of_the_highest_reward_that_another_verifier_rejects_are_shown(
    load: Load, tmp_path: Path
) -> None:
    rows = [
        row(r"\boxed{41}"),  # as if the verifier had been deceived
        row(r"\boxed{42}"),
        row(r"\boxed{40}", reward=0.5),  # not of the highest reward
        row(r"\boxed{39}", outcome="wrong"),
    ]
    lines = disputed.summary(record(load, tmp_path, rows, "reward=numeric"))
    assert lines[0] == (
        "`symbolic` disputes 1 of 2 recorded rollouts with the highest reward, which `numeric` holds correct."
        " Read some of them."
    )
    cells = [cell.strip() for cell in lines[-1].split("|")[1:-1]]
    assert cells[:3] == ["10", "q1", "42"]
    assert "41" in cells[3]
    assert cells[4] == "wrong"


def test_undisputed_rewards_are_one_line_and_other_tasks_none(load: Load, tmp_path: Path) -> None:
    rows = [row(r"\boxed{42}")]
    assert disputed.summary(record(load, tmp_path / "a", rows, "reward=symbolic")) == [
        "`numeric` disputes 0 of 1 recorded rollouts with the highest reward."
    ]
    own = "reward.verifier=tests.fakes.user_verifiers.never"
    assert disputed.summary(record(load, tmp_path / "d", [row("forty-two")], own)) == [
        "`symbolic` disputes 0 of 1 recorded rollouts with the highest reward."
    ]
    assert disputed.summary(record(load, tmp_path / "b", rows, "reward=exact")) == []
    assert disputed.summary(record(load, tmp_path / "c", [], "reward=numeric")) == []


def test_rollouts_that_no_other_verifier_can_judge_are_not_even_read(
    load: Load, tmp_path: Path
) -> None:
    found = record(load, tmp_path, [], "reward=exact")
    (tmp_path / "rollouts" / "step_000010.jsonl").write_text("what cannot be read\n")
    assert disputed.summary(found) == []
