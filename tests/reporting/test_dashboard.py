"""Dashboards are built offline; every metric that they show is one that trackers get."""

import json
import re
import sys
from typing import Any

import pytest

from hybrid_rl.recording.tables import Table, numbers, of_decisions, of_rollouts
from hybrid_rl.recording.trackers import named
from hybrid_rl.reporting import dashboard
from tests.fakes.recorded import metrics


def shown(value: Any) -> set[str]:
    """All metrics that a workspace names, at any depth."""
    if isinstance(value, dict):
        return set().union(*map(shown, value.values()))
    if isinstance(value, list):
        return set().union(*map(shown, value))
    found = isinstance(value, str) and re.fullmatch(r"(eval|train|rollout|budget)/[a-z_/]+", value)
    return {value} if found else set()


def test_the_workspace_shows_metrics_that_runs_have(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("wandb_workspaces")
    dashboard.main(["wandb", "--entity", "me", "--sets", "dev", "hard", "--json"])
    made = json.loads(capsys.readouterr().out)
    assert made["project"] == "hybrid-rl"
    line = metrics(5, "rl") | {"learning_rate": 1e-4, "entropy": 1.0, "zero_advantage_groups": 0.5}
    known = set(named(line | {"device_seconds": 1.0}))
    known |= {f"eval/{name}/greedy" for name in ("dev", "hard")}
    assert shown(made) == known - {
        "budget/wall_seconds",
        "budget/verifier_calls",
        "budget/trace_tokens_used",
    }


def test_a_view_whose_package_is_missing_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(SystemExit) as caught:
        dashboard.main(["trackio"])
    assert str(caught.value.code).startswith("trackio: cannot be imported (")
    assert str(caught.value.code).endswith("pip install 'hybrid-rl[trackio]'")


def test_a_table_of_rollouts_has_a_row_each() -> None:
    row = {
        "step": 3, "example_id": "q1", "group": 0, "prompt": "1+1", "prefix": "", "completion": "2",
        "outcome": "correct", "reward": 1.0, "trained": True, "advantage": 0.5,
    }  # fmt: skip
    assert of_rollouts([row]) == Table(
        [
            "step", "question", "group", "outcome", "reward", "advantage", "trained", "prompt",
            "expert prefix", "completion",
        ],
        [[3, "q1", 0, "correct", 1.0, 0.5, True, "1+1", "", "2"]],
    )  # fmt: skip


def test_a_table_of_decisions_counts_groups() -> None:
    groups = [
        {"correct": 4, "size": 4, "prefix_tokens": 0, "trained": True},
        {"correct": 0, "size": 4, "prefix_tokens": 0, "trained": False},
        {"correct": 2, "size": 4, "prefix_tokens": 6, "trained": True},
    ]
    lines = [
        {"step": 1, "kind": "sft", "note": {"phase": "warmup"}, "groups": []},
        {"step": 2, "kind": "rl", "note": {"p": 0.25}, "groups": groups},
    ]
    assert of_decisions(lines).rows == [
        [1, "sft", 0, 0, 0, 0, 0, None, '{"phase": "warmup"}'],
        [2, "rl", 3, 1, 1, 1, 1, 6.0, '{"p": 0.25}'],
    ]


def test_the_numbers_of_a_note_are_metrics_of_the_method() -> None:
    assert numbers({"p": 0.5, "phase": "hybrid", "ids": ["a"]}) == {"method/p": 0.5}
    assert named({"step": 1, "method/p": 0.5}) == {"method/p": 0.5}
