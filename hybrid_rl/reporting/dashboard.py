"""hybrid-rl-dashboard saves a workspace in Weights & Biases that shows the runs which that tracker recorded.

It is a view only: the run directories are the record, and their `report.md` needs none of this. TensorBoard and Trackio
bring commands of their own.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

_AXES = {
    "step": "optimizer steps",
    "budget/generated_tokens": "generated tokens",
    "budget/flops": "FLOPs",
    "budget/traces_used": "traces used",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script; it prints the address of the workspace, or the workspace itself with --json."""
    parser = argparse.ArgumentParser(
        prog="hybrid-rl-dashboard",
        description="Save a workspace for the runs of a project in Weights & Biases.",
    )
    # Other views were once chosen by this word, and scripts still write it.
    parser.add_argument("view", nargs="?", choices=["wandb"], help="may be left out")
    parser.add_argument("--project", default="hybrid_rl", help="default: %(default)s")
    parser.add_argument("--entity", required=True, help="team or user")
    sets = ["dev", "hard", "easy"]
    parser.add_argument("--sets", nargs="+", default=sets, help="evaluation sets to show")
    parser.add_argument("--json", action="store_true", help="print the workspace, send nothing")
    given = parser.parse_args(arguments)
    try:
        made = workspace(given.entity, given.project, given.sets)
    except ImportError as error:
        sys.exit(
            f"wandb-workspaces cannot be imported ({error}); pip install 'hybrid-rl[dashboard]'"
        )
    # Their own serialisation has no public name.
    shown = made._to_model().model_dump_json(indent=2) if given.json else _saved(made)
    sys.stdout.write(f"{shown}\n")


def _saved(made: Any) -> str:
    """The address of a workspace once it is saved; what the service refuses ends the command with a line."""
    errors: Any = importlib.import_module("wandb.errors")
    try:
        return str(made.save().url)
    except errors.Error as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        sys.exit(
            f"W&B did not save the workspace ({reason}); wandb login, or set WANDB_API_KEY;"
            " --json prints the workspace and sends nothing"
        )


def workspace(entity: str, project: str, sets: Sequence[str]) -> Any:
    """A workspace in which runs are grouped by name: accuracy against every budget, then how it came about.

    Nothing is sent. Raises ImportError where wandb-workspaces is not installed.
    """
    # The package is optional, and too loosely typed to be imported by statement.
    panels: Any = importlib.import_module("wandb_workspaces.reports.v2")
    workspaces: Any = importlib.import_module("wandb_workspaces.workspaces")

    def lines(title: str, metrics: Sequence[str], axis: str = "step") -> Any:
        return panels.LinePlot(title=title, x=axis, y=[*metrics], title_x=_AXES.get(axis, axis))

    def section(name: str, shown: Sequence[Any], is_open: bool = False) -> Any:
        return workspaces.Section(name=name, panels=[*shown], is_open=is_open)

    curves = [lines(f"dev by {label}", ["eval/dev/greedy"], axis) for axis, label in _AXES.items()]
    scalar, summary = panels.ScalarChart, panels.WeavePanelSummaryTable
    ends = [scalar(title=f"{name}, greedy", metric=f"eval/{name}/greedy") for name in sets]
    method = panels.LinePlot(title="method", x="step", metric_regex="method/.*")
    tables = [summary(table_name=f"tables/{name}") for name in ("decisions", "rollouts")]
    update = ["loss", "grad_norm", "update_norm", "learning_rate", "is_rl"]
    sampled = ["reward_mean", "correct_mean", "zero_advantage_groups", "entropy"]
    sampled += ["completion_tokens_mean", "truncated_rate", "kl"]
    spent = ["generated_tokens", "trained_tokens", "flops", "device_seconds", "traces_used"]
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name="hybrid-rl",
        sections=[
            section("Accuracy", [*curves, *ends], is_open=True),
            section("Method", [method]),
            section("Rollouts", [lines(name, [f"rollout/{name}"]) for name in sampled]),
            section("Update", [lines(name, [f"train/{name}"]) for name in update]),
            section("Budget", [lines(name, [f"budget/{name}"]) for name in spent]),
            section("Tables", tables),
        ],
        runset_settings=workspaces.RunsetSettings(groupby=[workspaces.Config("name")]),
    )


if __name__ == "__main__":
    main()
