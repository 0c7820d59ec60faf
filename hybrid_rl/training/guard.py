"""The guards at work in a training run, on every rank alike: what torch and the other ranks must be asked.

A loss or gradient that is not finite is found before the optimizer sees it. Losses stay on their device until the
gradient norm, for which a step waits anyway, so watching them costs nothing more.
"""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from hybrid_rl.config.settings import Settings
from hybrid_rl.recording import checkpoints, files
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.recording.step_lines import Recorder
from hybrid_rl.training.alarms import Began, GuardError, Guards, free_bytes
from hybrid_rl.types import Group

log = logging.getLogger(__name__)


class TrainingGuard:
    """The guard of one trainer. All ranks make the same calls."""

    def __init__(
        self,
        guards: Guards,
        settings: Settings,
        accelerator: Accelerator,
        model: torch.nn.Module,
        recorder: Recorder,
    ) -> None:
        self.guards = guards
        self._directory = RunDir(Path(settings.run_dir))
        self._accelerator = accelerator
        self._recorder = recorder
        self._first_checkpoint_bytes = checkpoint_bytes(model, settings)
        self._finite: Tensor | None = None
        self._skipped = False
        self._told: set[str] = set()

    def loss(self, loss: Tensor) -> Tensor:
        """Takes note of a micro-batch's loss; what comes back is 0 where it is not finite, for sums over steps."""
        finite = torch.isfinite(loss)
        self._finite = finite if self._finite is None else self._finite & finite
        return torch.where(finite, loss, 0.0)

    def skips(self, step: int, grad_norm: float, rows: Iterable[Mapping[str, Any]]) -> bool:
        """Whether step `step` (from 1) must be left out, before the optimizer's turn; `rows` is what it learns from.

        Raises GuardError, on all ranks, where it must not go on. `rows` goes to a file first.
        """
        bad = not math.isfinite(grad_norm) or (self._finite is not None and not bool(self._finite))
        self._finite = None
        if self._accelerator.num_processes > 1:
            flag = torch.tensor(float(bad), device=self._accelerator.device)
            bad = bool(self._accelerator.reduce(flag, "sum") > 0)
        self._skipped |= bad
        if bad:
            finding = f"the gradient norm is {grad_norm}"
            if math.isfinite(grad_norm):
                finding = f"the loss is not finite, with a gradient norm of {grad_norm:.3g}"
            self._skip(step, finding, rows)
        return bad

    def _skip(self, step: int, finding: str, rows: Iterable[Mapping[str, Any]]) -> None:
        path = self._directory.guarded_batch(step, self._accelerator.process_index)
        files.write_jsonl(path, [{"step": step, **row} for row in rows])
        self.guards.skip(step, finding, path)
        if self._accelerator.is_main_process:
            message = f"guards.non_finite = skip: step {step} is left out, {finding}; its batch is in {path}"
            self._recorder.alarm({"step": step, "alarm": "non_finite", "message": message})
            if self.guards.skips == 1:
                log.warning("%s", message)

    def wants_refill(self, groups: Iterable[Group], refills: int) -> bool:
        """Whether groups of which none teaches anything, on any rank, are to give way to those of other questions.

        `refills`: how often they already did in this update.
        """
        if refills >= self.guards.settings.refill:
            return False
        several = [one for one in groups if len(one.rollouts) > 1]  # one rollout has no peers
        alike = bool(several) and all(one.uniform or not one.trained for one in several)
        return all(gather_object([alike]))

    def line(
        self, line: dict[str, Any], seconds: float, verifier_seconds: float
    ) -> tuple[dict[str, Any], list[Began]]:
        """The metrics line with its alarms counted and without values that are no numbers; and the alarms that begin.

        Guards see those values too: a KL that is infinite, or NaN, is the worst of all. The rest: see `Guards.check`.
        """
        if self._skipped:
            line = {**line, "skipped": 1, "loss": None}
        self._skipped = False
        began = self.guards.check(line, seconds, verifier_seconds)
        line = {key: value for key, value in line.items() if _is_json(value)}
        return line | {f"alarm/{name}": 1 for name in self.guards.on}, began

    def disk(self, step: int, saving: bool = False) -> list[Began]:
        """The alarm of the disk, if it begins: before every checkpoint, and every guards.disk.every steps."""
        if not saving and step % self.guards.settings.disk.every:
            return []
        # As rank 0 sees it, which also deletes checkpoints: ranks must agree, and none may look while they go.
        last = self._last_checkpoint_bytes() if self._accelerator.is_main_process else 0
        shares = gather_object([(free_bytes(self._directory.path), last)])
        free, last = min(share[0] for share in shares), max(share[1] for share in shares)
        return self.guards.disk(step, free, last or self._first_checkpoint_bytes)

    def _last_checkpoint_bytes(self) -> int:
        """The size of the newest complete checkpoint, in bytes; 0 where there is none."""
        found = checkpoints.complete(self._directory.checkpoints)
        return sum(path.stat().st_size for path in found[-1].rglob("*")) if found else 0

    def tell(self, began: list[Began]) -> None:
        """Records and logs alarms that begin, in full the first time; raises GuardError where one stops the run."""
        if self._accelerator.is_main_process:
            for alarm in began:
                said = {k: v for k, v in asdict(alarm).items() if k != "stops" and _is_json(v)}
                self._recorder.alarm(said)
                if not alarm.stops and alarm.alarm not in self._told:
                    log.warning("%s", alarm.message)
                elif not alarm.stops:
                    log.warning("guards.%s: again at step %d", alarm.alarm, alarm.step)
                self._told.add(alarm.alarm)
        stopping = [alarm.message for alarm in began if alarm.stops]
        if stopping:
            raise GuardError("\n".join(stopping))


def checkpoint_bytes(model: torch.nn.Module, settings: Settings) -> int:
    """Estimates the size of the first checkpoint: weights, and Adam's two moments of those that are trained.

    DeepSpeed has weights twice, as its own and as transformers', and a copy in float32 beside the moments. One more
    copy each for the best weights and a moving reference; two for each further set of moments, which may come later.
    """
    deepspeed = settings.hardware.deepspeed is not None
    frozen, trained = (2, 5) if deepspeed else (1, 3)
    trained += 2 * (settings.method.moment_sets - 1)
    copies = settings.eval.best + settings.moves_reference
    return sum(
        # DeepSpeed leaves an empty tensor where a weight is sharded.
        getattr(weight, "ds_numel", weight.numel())
        * (4 if deepspeed else weight.element_size())
        * ((trained if weight.requires_grad else frozen) + copies)
        for weight in model.parameters()
    )


def _is_json(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
