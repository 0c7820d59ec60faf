"""Trackers: views of a run's metrics, never its record. None, wandb, wandb offline, TensorBoard, Trackio.

`start` raises before training when a tracker cannot work; once it has started, a failure warns once and training goes
on. The only file that knows these libraries.
"""

import importlib
import json
import logging
import os
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording.tables import Table

log = logging.getLogger(__name__)

_BUDGET = frozenset(
    [
        *(
            "wall_seconds",
            "device_seconds",
            "generated_tokens",
            "trained_tokens",
            "flops",
            "verifier_calls",
        ),
        *("traces_used", "trace_tokens_used"),
    ]
)
_UPDATE = frozenset(["loss", "grad_norm", "learning_rate"])
_SECRET = re.compile(r"(api|access|hub|hf|auth)_?(key|token)|password|secret|credential", re.I)


def named(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A line of metrics.jsonl or eval/progress.jsonl under the names a tracker shows, grouped by what is before `/`.

    train/ the update, rollout/ what was sampled for it, method/ what the method noted, budget/ what was spent so far,
    eval/<set>/ an evaluation, eval_detail/<set>/ its intervals and rates: a page that opens on eval/ shows accuracies.
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
    if key.startswith("dev/"):
        return f"eval/{key}"
    return f"train/{key}" if key in _UPDATE else f"rollout/{key}"


class Tracker:
    """Base of all, and the one that shows nothing. Subclasses give `_write` and `_close`."""

    def __init__(self) -> None:
        self._broken = False

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Never raises."""
        self._guarded(lambda: self._write(named(metrics), step))

    def table(self, name: str, table: Table, step: int) -> None:
        """Never raises; nothing where the tracker has no tables."""
        self._guarded(lambda: self._write_table(name, table, step))

    def finish(self) -> None:
        """Never raises."""
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

    def _write(self, metrics: dict[str, float], step: int) -> None:
        """Send one line."""

    def _write_table(self, name: str, table: Table, step: int) -> None:
        """Send one table."""

    def _close(self) -> None:
        """Send what is left."""


class _Wandb(Tracker):
    def __init__(self, settings: Settings, run_dir: Path, offline: bool) -> None:
        super().__init__()
        import wandb  # noqa: PLC0415 - heavy, and optional

        self._wandb = wandb
        os.environ.setdefault("WANDB_SILENT", "true")
        if not offline and not wandb.login(prompt=False):
            raise RuntimeError("no API key configured")
        self._run = wandb.init(
            mode="offline" if offline else "online",
            project=settings.tracker.project,
            entity=settings.tracker.entity,
            name=settings.name,
            tags=settings.tracker.tags,
            dir=str(run_dir),
            id=_lasting_id(run_dir / "wandb" / "run_id"),
            resume="allow",
            config=public(settings),
            save_code=False,
            settings=wandb.Settings(silent=True, console="off"),
        )
        # An axis of our own: a resumed run may repeat steps, which wandb's own axis would drop.
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def _write(self, metrics: dict[str, float], step: int) -> None:
        self._run.log({**metrics, "step": step})

    def _write_table(self, name: str, table: Table, step: int) -> None:
        made = self._wandb.Table(columns=[*table.columns], data=table.rows, allow_mixed_types=True)
        self._run.log({f"tables/{name}": made, "step": step})

    def _close(self) -> None:
        self._run.finish()
        self._wandb.teardown()  # finish returns before wandb's own process has written its file


class _TensorBoard(Tracker):
    def __init__(self, settings: Settings, run_dir: Path) -> None:
        super().__init__()
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - heavy, and optional

        self._writer = SummaryWriter(str(run_dir / "tensorboard"))
        self._writer.add_text("settings", f"```json\n{json.dumps(public(settings), indent=2)}\n```")

    def _write(self, metrics: dict[str, float], step: int) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def _close(self) -> None:
        self._writer.close()


class _Trackio(Tracker):
    def __init__(self, settings: Settings, run_dir: Path) -> None:
        super().__init__()
        self._trackio = importlib.import_module("trackio")  # no stubs, and optional
        self._trackio.init(
            project=settings.tracker.project,
            name=f"{settings.name}-{run_dir.name}",
            config=public(settings),
            resume="allow",
            embed=False,
        )

    def _write(self, metrics: dict[str, float], step: int) -> None:
        self._trackio.log(metrics, step=step)

    def _write_table(self, name: str, table: Table, step: int) -> None:
        made = self._trackio.Table(columns=table.columns, data=table.rows, allow_mixed_types=True)
        self._trackio.log({f"tables/{name}": made}, step=step)

    def _close(self) -> None:
        self._trackio.finish()


_STARTERS: dict[str, Callable[[Settings, Path], Tracker]] = {
    "none": lambda settings, run_dir: Tracker(),
    "wandb": lambda settings, run_dir: _Wandb(settings, run_dir, offline=False),
    "wandb_offline": lambda settings, run_dir: _Wandb(settings, run_dir, offline=True),
    "tensorboard": lambda settings, run_dir: _TensorBoard(settings, run_dir),
    "trackio": lambda settings, run_dir: _Trackio(settings, run_dir),
}
_REMEDIES = {
    "wandb": "run `wandb login`, set WANDB_API_KEY, or choose tracker=wandb_offline",
    "wandb_offline": "choose tracker=none",
    "tensorboard": "choose tracker=none",
    "trackio": "choose tracker=none",
}
_EXTRAS = {"wandb_offline": "wandb"}


def start_tracker(settings: Settings, run_dir: Path) -> Tracker:
    """The tracker of this run; on ranks other than 0 one that shows nothing.

    Raises SettingsError when it cannot start, with the remedy.
    """
    name = settings.tracker.name
    if os.environ.get("RANK", "0") != "0":
        return Tracker()
    try:
        return _STARTERS[name](settings, run_dir)
    except ImportError as error:
        extra = _EXTRAS.get(name, name)
        raise SettingsError(
            f"tracker = {name}: its package cannot be imported ({error});"
            f" pip install 'hybrid-rl[{extra}]', or choose tracker=none"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise SettingsError(
            f"tracker = {name}: cannot start ({reason}); {_REMEDIES[name]}"
        ) from error


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


def _lasting_id(path: Path) -> str:
    """The same at every start of a run, so that a resumed one continues its page."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(uuid.uuid4().hex[:12], encoding="utf-8")
    return path.read_text(encoding="utf-8")
