"""hybrid-rl-dashboard: a view of runs that trackers recorded: a saved W&B workspace, or a page served from here.

Views only: the run directories are the record, and `report.md` in them needs none of this.
"""

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

_AXES = {
    "step": "optimizer steps",
    "budget/generated_tokens": "generated tokens",
    "budget/flops": "FLOPs",
    "budget/traces_used": "traces used",
}
_EXTRA = "pip install 'hybrid-rl[{extra}]'"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="hybrid-rl-dashboard", description="Look at tracked runs."
    )
    views = parser.add_subparsers(dest="view", required=True)
    wandb = views.add_parser("wandb", help="save a workspace for the runs of a W&B project")
    wandb.add_argument("--project", default="hybrid-rl")
    wandb.add_argument("--entity", required=True, help="team or user")
    wandb.add_argument("--sets", nargs="+", default=["dev", "hard", "easy"], help="evaluation sets")
    wandb.add_argument("--json", action="store_true", help="print the workspace, send nothing")
    tensorboard = views.add_parser("tensorboard", help="serve the runs under a directory")
    tensorboard.add_argument("directory")
    trackio = views.add_parser("trackio", help="serve the runs of a Trackio project")
    trackio.add_argument("--project", default="hybrid-rl")
    given = parser.parse_args(arguments)
    try:
        if given.view == "wandb":
            sys.stdout.write(_wandb(given.entity, given.project, given.sets, given.json) + "\n")
        elif given.view == "tensorboard":
            sys.exit(_serve("tensorboard.main", "--logdir", given.directory))
        else:
            sys.exit(_serve("trackio.cli", "show", "--project", given.project))
    except ImportError as error:
        extra = {"wandb": "dashboard"}.get(given.view, given.view)
        sys.exit(f"{given.view}: cannot be imported ({error}); {_EXTRA.format(extra=extra)}")


def workspace(entity: str, project: str, sets: Sequence[str]) -> Any:
    """A W&B workspace, runs grouped by name: accuracy against every budget axis, then what made it. Sends nothing."""
    # Optional, and too loosely typed to be imported by statement.
    panels: Any = importlib.import_module("wandb_workspaces.reports.v2")
    workspaces: Any = importlib.import_module("wandb_workspaces.workspaces")

    def lines(title: str, metrics: Sequence[str], axis: str = "step") -> Any:
        return panels.LinePlot(title=title, x=axis, y=[*metrics], title_x=_AXES.get(axis, axis))

    def section(name: str, shown: Sequence[Any], is_open: bool = False) -> Any:
        return workspaces.Section(name=name, panels=[*shown], is_open=is_open)

    curves = [lines(f"dev by {label}", ["eval/dev/greedy"], axis) for axis, label in _AXES.items()]
    ends = [
        panels.ScalarChart(title=f"{name}, greedy", metric=f"eval/{name}/greedy") for name in sets
    ]
    update = ["loss", "grad_norm", "learning_rate", "is_rl"]
    sampled = ["reward_mean", "correct_mean", "zero_advantage_groups", "entropy"]
    sampled += ["completion_tokens_mean", "truncated_rate"]
    spent = ["generated_tokens", "trained_tokens", "flops", "device_seconds", "traces_used"]
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name="hybrid-rl",
        sections=[
            section("Accuracy", [*curves, *ends], is_open=True),
            section(
                "Method", [panels.LinePlot(title="method", x="step", metric_regex="method/.*")]
            ),
            section("Rollouts", [lines(name, [f"rollout/{name}"]) for name in sampled]),
            section("Update", [lines(name, [f"train/{name}"]) for name in update]),
            section("Budget", [lines(name, [f"budget/{name}"]) for name in spent]),
            section(
                "Tables",
                [
                    panels.WeavePanelSummaryTable(table_name=f"tables/{name}")
                    for name in ("decisions", "rollouts")
                ],
            ),
        ],
        runset_settings=workspaces.RunsetSettings(groupby=[workspaces.Config("name")]),
    )


def _wandb(entity: str, project: str, sets: Sequence[str], as_json: bool) -> str:
    """The address of the saved workspace, or what it is made of."""
    made = workspace(entity, project, sets)
    if as_json:
        shown = json.loads(
            made._to_model().model_dump_json()
        )  # their own serialisation has no public name
        return json.dumps(shown, indent=2)
    return str(made.save().url)


def _serve(module: str, *arguments: str) -> int:
    """The exit code of a server that runs until Ctrl-C."""
    importlib.import_module(module.partition(".")[0])
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode


if __name__ == "__main__":
    main()
