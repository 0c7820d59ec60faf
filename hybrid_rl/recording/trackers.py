"""Trackers: views of a run's metrics on wandb, TensorBoard, Trackio, MLflow, Comet, Aim or SwanLab, never its record.

How each library is spoken to is `accelerate.tracking`; ours are the names of metrics, the tables, a page that outlives
a resume, settings without secrets, and the rule that a view never stops a run: `start_tracker` raises before training
when a tracker cannot work; once it has started, a failure warns once and training goes on.
"""

import importlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_rl.config import packages
from hybrid_rl.config.overrides import flat
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.tracker import PACKAGES
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording.budget import AXES
from hybrid_rl.recording.files import write_text
from hybrid_rl.recording.shareable import without_secrets
from hybrid_rl.recording.tables import Table

log = logging.getLogger(__name__)

_BUDGET = frozenset([*AXES, "device_seconds"])
_UPDATE = frozenset(["loss", "grad_norm", "learning_rate", "update_norm", "zero_gradient"])


def named(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A line of metrics.jsonl or eval/progress.jsonl under the names a tracker shows, grouped by what is before `/`.

    train/ is the update, rollout/ what was sampled for it, method/ what the method noted, budget/ what was spent so
    far, eval/<set>/ an evaluation, eval_detail/<set>/ its intervals and rates, apart from the accuracies.
    """
    found = {}
    for key, value in metrics.items():
        if key == "kind":
            found["train/is_rl"] = float(value == "rl")
        elif key != "step" and isinstance(value, int | float):
            found[_name(key, metrics.get("set"))] = float(value)
    return found


def _name(key: str, evaluated: str | None) -> str:
    if key in _BUDGET:
        return f"budget/{key}"
    if evaluated is not None:
        detail = key == "questions" or key.endswith(("_low", "_high", "_rate", "_mean"))
        return f"eval_detail/{evaluated}/{key}" if detail else f"eval/{evaluated}/{key}"
    if key.startswith("method/"):
        return key
    return f"train/{key}" if key in _UPDATE else f"rollout/{key}"


class Tracker:
    """A view of one run. None of its methods raises; without a started tracker of accelerate it shows nothing."""

    def __init__(self, started: Any = None, tables: Any = None) -> None:
        self.started = started
        """The `GeneralTracker` of accelerate, which has no types."""
        self._tables = tables
        """The library whose `Table` the tracker shows; None: it shows no tables."""
        self._broken = started is None

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Show a line of metrics.jsonl or eval/progress.jsonl."""
        self._guarded(lambda: self._send(named(metrics), step))

    def table(self, name: str, table: Table, step: int) -> None:
        """Show a table, where the tracker has tables."""
        if self._tables is not None:
            self._guarded(lambda: self._send_table(name, table, step))

    def finish(self) -> None:
        """Send what is left, and close."""
        self._guarded(self._close)

    def _guarded(self, action: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            action()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a view must not stop the run
            self._broken = True
            log.warning(
                "the tracker failed and is off from now on (%s: %s); the run directory has every number",
                type(error).__name__,
                error,
            )

    def _send(self, values: dict[str, Any], step: int) -> None:
        self.started.log(values, step=step)

    def _send_table(self, name: str, table: Table, step: int) -> None:
        made = self._tables.Table(columns=[*table.columns], data=table.rows, allow_mixed_types=True)
        self._send({f"tables/{name}": made}, step)

    def _close(self) -> None:
        self.started.finish()


class _Trackio(Tracker):
    """The view on Trackio, which must be told itself that its current run has ended."""

    def _close(self) -> None:
        self._tables.finish()


class _Wandb(Tracker):
    """The view on wandb, which has an axis of our own: a resumed run may repeat steps, which wandb's would drop."""

    def _send(self, values: dict[str, Any], step: int) -> None:
        self.started.log({**values, "step": step})

    def _close(self) -> None:
        super()._close()
        self._tables.teardown()  # finish returns before wandb's own process has written its file


@dataclass(frozen=True)
class _Library:
    """What is ours about a library: how it is told of a run, and what a user can do when it does not start."""

    tracker: str
    """The name of its class in `accelerate.tracking`."""
    arguments: Callable[[Settings, Path, Any], dict[str, Any]]
    """Makes the arguments of that class from settings, run directory and the module of the library."""
    page_argument: str = ""
    """The argument for the id of a page that a resume continues; empty: pages go by name, or each start has one."""
    page: Callable[[Any], str] = str
    """Reads that id from the library's own run."""


def _wandb(settings: Settings, run_dir: Path, library: Any) -> dict[str, Any]:
    os.environ.setdefault("WANDB_SILENT", "true")
    offline = settings.tracker.name == "wandb_offline"
    if not offline and not library.login(prompt=False):
        raise RuntimeError("no API key configured")
    place = {"mode": "offline" if offline else "online", "dir": str(run_dir), "save_code": False}
    shown = {**place, **_resumable(settings, settings.name), "entity": settings.tracker.entity}
    return {**shown, "settings": library.Settings(silent=True, console="off")}


def _resumable(settings: Settings, name: str) -> dict[str, Any]:
    """The arguments in which wandb and SwanLab agree."""
    page = {"run_name": settings.tracker.project, "name": name, "resume": "allow"}
    return {**page, "tags": settings.tracker.tags, "config": public(settings)}


def _trackio(settings: Settings, run_dir: Path, library: Any) -> dict[str, Any]:
    shown = {"name": _described(settings, run_dir), "config": public(settings)}
    return {"run_name": settings.tracker.project, **shown, "resume": "allow", "embed": False}


def _mlflow(settings: Settings, run_dir: Path, library: Any) -> dict[str, Any]:
    shown = {"run_name": _described(settings, run_dir), "experiment_name": settings.tracker.project}
    return {**shown, "tags": dict.fromkeys(settings.tracker.tags, "true")}


def _comet(settings: Settings, run_dir: Path, library: Any) -> dict[str, Any]:
    offline = run_dir / "comet_ml"
    offline.mkdir(parents=True, exist_ok=True)
    off = ("log_code", "log_git_patch", "parse_args", "auto_metric_logging", "auto_param_logging")
    config = library.ExperimentConfig(
        name=_described(settings, run_dir),
        tags=settings.tracker.tags,
        offline_directory=str(offline),
        display_summary_level=0,
        auto_output_logging=False,
        **dict.fromkeys(off, False),
    )
    place = {"run_name": settings.tracker.project, "workspace": settings.tracker.entity}
    return {**place, "experiment_config": config}


def _aim(settings: Settings, run_dir: Path, library: Any) -> dict[str, Any]:
    shown = {"run_name": _described(settings, run_dir), "experiment": settings.tracker.project}
    # The lock of a start that was killed is left behind, hence force_resume.
    return {**shown, "force_resume": True, "capture_terminal_logs": False}


def _swanlab(settings: Settings, run_dir: Path, library: Any) -> dict[str, Any]:
    place = {"workspace": settings.tracker.entity, "log_dir": str(run_dir / "swanlab")}
    return {**place, **_resumable(settings, _described(settings, run_dir))}


def _described(settings: Settings, run_dir: Path) -> str:
    """A name for libraries that know runs by name only, where those of other runs must not be met."""
    return f"{settings.name}-{run_dir.name}"


_LOGIN = ("wandb", "comet", "swanlab")  # the pages that want an account
_LIBRARIES = {
    "wandb": _Library("WandBTracker", _wandb, "id", lambda run: run.id),
    "tensorboard": _Library(
        "TensorBoardTracker", lambda _, where, __: {"run_name": "tensorboard", "logging_dir": where}
    ),
    "trackio": _Library("TrackioTracker", _trackio),
    "mlflow": _Library("MLflowTracker", _mlflow, "run_id", lambda run: run.info.run_id),
    "comet_ml": _Library("CometMLTracker", _comet, "experiment_key", lambda run: run.get_key()),
    "aim": _Library("AimTracker", _aim, "run_hash", lambda run: run.hash),
    "swanlab": _Library("SwanLabTracker", _swanlab, "id", lambda run: run.id),
}


def start_tracker(settings: Settings, run_dir: Path) -> Tracker:
    """The tracker of this run, for one rank to show. Raises SettingsError when it cannot start, with the remedy."""
    name = settings.tracker.name
    if name == "none":
        return Tracker()
    try:
        # By name, for it is optional: with all of them installed, only the chosen one is loaded.
        library = importlib.import_module(PACKAGES[name])
        return _started(settings, run_dir, library)
    except ImportError as error:
        raise SettingsError(
            f"tracker = {name}: its package cannot be imported ({error});"
            f" {packages.install(PACKAGES[name])}, or choose tracker=none"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        login = f"run `{name} login`, set {name.upper()}_API_KEY, or " if name in _LOGIN else ""
        other = "wandb_offline" if name == "wandb" else "none"
        raise SettingsError(
            f"tracker = {name}: cannot start ({reason}); {login}choose tracker={other}"
        ) from error


def _started(settings: Settings, run_dir: Path, module: Any) -> Tracker:
    name = settings.tracker.name
    library = _LIBRARIES[PACKAGES[name]]
    arguments = library.arguments(settings, run_dir, module)
    kept = run_dir / PACKAGES[name] / "run_id"
    is_new = not kept.exists()
    if library.page_argument:
        arguments[library.page_argument] = None if is_new else kept.read_text(encoding="utf-8")
    # accelerate loads torch, so it is imported here, in a worker that has it, and not by who reads this file.
    accelerate = importlib.import_module("accelerate.tracking")
    started = getattr(accelerate, library.tracker)(**arguments)
    started.start()
    if library.page_argument and is_new:
        write_text(kept, library.page(started.tracker))
    match name:  # each is told the settings in its own way
        case "wandb" | "wandb_offline":
            started.tracker.define_metric("step", hidden=True)
            started.tracker.define_metric("*", step_metric="step")
            return _Wandb(started, module)
        case "trackio":
            return _Trackio(started, module)
        case "tensorboard":
            started.log({"settings": f"```json\n{json.dumps(public(settings), indent=2)}\n```"})
        case "aim" if is_new:
            for tag in settings.tracker.tags:
                started.tracker.add_tag(tag)
            started.store_init_configuration(public(settings))
        case "mlflow" | "comet" if is_new:  # MLflow lets no value change that it was told once
            started.store_init_configuration(flat(public(settings)))
    return Tracker(started)


def public(settings: Settings) -> dict[str, Any]:
    """The settings as JSON values, secrets left out."""
    shown: dict[str, Any] = without_secrets(settings.model_dump(mode="json"))
    return shown
