"""The workspace is built offline, and every metric that it shows is one that trackers get."""

import json
import re
import sys
from typing import Any

import pytest

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
    assert made["project"] == "hybrid_rl"  # that of conf/tracker/base.yaml
    line = metrics(5, "rl") | {"learning_rate": 1e-4, "entropy": 1.0, "zero_advantage_groups": 0.5}
    line["kl"] = 0.01  # of a run that keeps a reference model
    known = set(named(line | {"device_seconds": 1.0}))
    known |= {f"eval/{name}/greedy" for name in ("dev", "hard")}
    assert shown(made) == known - {
        "budget/wall_seconds",
        "budget/verifier_calls",
        "budget/trace_tokens_used",
    }


def test_the_word_wandb_may_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("wandb_workspaces")
    dashboard.main(["--entity", "me", "--project", "mine", "--json"])
    assert json.loads(capsys.readouterr().out)["project"] == "mine"


def test_a_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    with pytest.raises(SystemExit) as caught:
        dashboard.main(["--entity", "me"])
    assert str(caught.value.code).startswith("wandb-workspaces cannot be imported (")
    assert str(caught.value.code).endswith("); pip install 'hybrid-rl[dashboard]'")


def test_without_a_key_a_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = pytest.importorskip("wandb.errors")

    class Unsaved:
        def save(self) -> None:
            raise errors.UsageError("No API key configured. Use `wandb login` to log in.\nmore")

    monkeypatch.setattr(dashboard, "workspace", lambda *_: Unsaved())
    with pytest.raises(SystemExit) as caught:
        dashboard.main(["wandb", "--entity", "me"])
    assert caught.value.code == (
        "W&B did not save the workspace (No API key configured. Use `wandb login` to log in.); wandb login, or set"
        " WANDB_API_KEY; --json prints the workspace and sends nothing"
    )
