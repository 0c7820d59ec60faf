"""Trackers: views of a run's metrics on wandb, TensorBoard, Trackio, MLflow, Comet, Aim or SwanLab, never its record.

How each library is spoken to is `accelerate.tracking`; ours are the names of metrics, the tables, a page that outlives
a resume, settings without secrets, and the rule that a view never stops a run: `start_tracker` raises before training
when a tracker cannot work; once it has started, a failure warns once and training goes on.
"""

import importlib
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_rl.config.overrides import flat
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.tracker import PACKAGES
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording.budget import AXES
from hybrid_rl.recording.files import write_text
from hybrid_rl.recording.tables import Table

log = logging.getLogger(__name__)

_BUDGET = frozenset([*AXES, "device_seconds"])
_UPDATE = frozenset(["loss", "grad_norm", "learning_rate"])
_SECRET = re.compile(r"(api|access|hub|hf|auth)_?(key|token)|password|secret|credential", re.I)


def named(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A line of metrics.jsonl or eval/progress.jsonl under the names a tracker shows, grouped by what is before `/`.

    train/ is the update, rollout/ what was sampled for it, method/ what the method noted, budget/ what was spent so
    far, eval/<set>/ an evaluation, eval_detail/<set>/ its intervals and rates: a page that opens on eval/ shows
    accuracies.
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
class _Start:
    """What a tracker is started from."""

    settings: Settings
    run_dir: Path
    page: str | None
    """The id of the page of an earlier start of the same run, which a resume continues; None: there is none."""
    accelerate: Any
    """The module `accelerate.tracking`."""
    library: Any
    """The module of the tracker itself."""

    @property
    def project(self) -> str:
        return self.settings.tracker.project

    @property
    def described(self) -> str:
        """A name for trackers that show runs by name only, where those of other runs must not be met."""
        return f"{self.settings.name}-{self.run_dir.name}"


def _start_wandb(start: _Start) -> Tracker:
    os.environ.setdefault("WANDB_SILENT", "true")
    tracker = start.settings.tracker
    offline = tracker.name == "wandb_offline"
    if not offline and not start.library.login(prompt=False):
        raise RuntimeError("no API key configured")
    started = start.accelerate.WandBTracker(
        start.project,
        mode="offline" if offline else "online",
        entity=tracker.entity,
        name=start.settings.name,
        tags=tracker.tags,
        dir=str(start.run_dir),
        id=start.page,
        resume="allow",
        config=public(start.settings),
        save_code=False,
        settings=start.library.Settings(silent=True, console="off"),
    )
    started.start()
    started.tracker.define_metric("step", hidden=True)
    started.tracker.define_metric("*", step_metric="step")
    return _Wandb(started, start.library)


def _start_tensorboard(start: _Start) -> Tracker:
    started = start.accelerate.TensorBoardTracker("tensorboard", start.run_dir)
    started.start()
    started.log({"settings": f"```json\n{json.dumps(public(start.settings), indent=2)}\n```"})
    return Tracker(started)


def _start_trackio(start: _Start) -> Tracker:
    started = start.accelerate.TrackioTracker(
        start.project,
        name=start.described,
        config=public(start.settings),
        resume="allow",
        embed=False,
    )
    started.start()
    return _Trackio(started, start.library)


def _start_mlflow(start: _Start) -> Tracker:
    started = start.accelerate.MLflowTracker(
        experiment_name=start.project,
        run_id=start.page,
        run_name=start.described,
        tags=dict.fromkeys(start.settings.tracker.tags, "true"),
    )
    started.start()
    if start.page is None:  # a value that was stored once cannot change
        started.store_init_configuration(flat(public(start.settings)))
    return Tracker(started)


def _start_comet(start: _Start) -> Tracker:
    offline = start.run_dir / "comet_ml"
    offline.mkdir(parents=True, exist_ok=True)
    config = start.library.ExperimentConfig(
        name=start.described,
        tags=start.settings.tracker.tags,
        offline_directory=str(offline),
        log_code=False,
        log_git_patch=False,
        auto_metric_logging=False,
        auto_param_logging=False,
        auto_output_logging=False,
        parse_args=False,
        display_summary_level=0,
    )
    started = start.accelerate.CometMLTracker(
        start.project,
        workspace=start.settings.tracker.entity,
        experiment_key=start.page,
        experiment_config=config,
    )
    started.start()
    started.store_init_configuration(flat(public(start.settings)))
    return Tracker(started)


def _start_aim(start: _Start) -> Tracker:
    started = start.accelerate.AimTracker(
        start.described,
        run_hash=start.page,
        experiment=start.project,
        force_resume=True,  # the lock of a start that was killed is left behind
        capture_terminal_logs=False,
    )
    started.start()
    for tag in start.settings.tracker.tags if start.page is None else ():
        started.tracker.add_tag(tag)
    started.store_init_configuration(public(start.settings))
    return Tracker(started)


def _start_swanlab(start: _Start) -> Tracker:
    started = start.accelerate.SwanLabTracker(
        start.project,
        workspace=start.settings.tracker.entity,
        name=start.described,
        tags=start.settings.tracker.tags,
        log_dir=str(start.run_dir / "swanlab"),
        id=start.page,
        resume="allow",
        config=public(start.settings),
    )
    started.start()
    return Tracker(started)


@dataclass(frozen=True)
class _Library:
    """How a tracker is started, where its page is found again, and what a user can do when it does not start."""

    start: Callable[[_Start], Tracker]
    page: Callable[[Any], str] | None = None
    """From the library's own run to the id of its page; None: the page is found by name, or there is one a start."""
    remedy: str = "choose tracker=none"


_LIBRARIES = {
    "wandb": _Library(
        _start_wandb,
        lambda run: run.id,
        "run `wandb login`, set WANDB_API_KEY, or choose tracker=wandb_offline",
    ),
    "wandb_offline": _Library(_start_wandb, lambda run: run.id),
    "tensorboard": _Library(_start_tensorboard),
    "trackio": _Library(_start_trackio),
    "mlflow": _Library(_start_mlflow, lambda run: run.info.run_id),
    "comet": _Library(
        _start_comet,
        lambda run: run.get_key(),
        "run `comet login`, set COMET_API_KEY, or choose tracker=none",
    ),
    "aim": _Library(_start_aim, lambda run: run.hash),
    "swanlab": _Library(
        _start_swanlab,
        lambda run: run.id,
        "run `swanlab login`, set SWANLAB_API_KEY, or choose tracker=none",
    ),
}


def start_tracker(settings: Settings, run_dir: Path) -> Tracker:
    """The tracker of this run, for one rank to show. Raises SettingsError when it cannot start, with the remedy."""
    name = settings.tracker.name
    if name == "none":
        return Tracker()
    package = PACKAGES[name]
    library = _LIBRARIES[name]
    kept = run_dir / package / "run_id"
    page = kept.read_text(encoding="utf-8") if kept.exists() else None
    try:
        # Heavy and optional; the name of the package, not that of a substitute, belongs into the message.
        module = importlib.import_module(package)
        accelerate = importlib.import_module("accelerate.tracking")
        tracker = library.start(_Start(settings, run_dir, page, accelerate, module))
        if page is None and library.page is not None:
            write_text(kept, library.page(tracker.started.tracker))
    except ImportError as error:
        raise SettingsError(
            f"tracker = {name}: its package cannot be imported ({error});"
            f" pip install 'hybrid-rl[{package}]', or choose tracker=none"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise SettingsError(
            f"tracker = {name}: cannot start ({reason}); {library.remedy}"
        ) from error
    return tracker


def public(settings: Settings) -> dict[str, Any]:
    """The settings as JSON values, secrets left out."""
    shown: dict[str, Any] = _without_secrets(settings.model_dump(mode="json"))
    return shown


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "(hidden)" if item is not None and _SECRET.search(key) else _without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value
