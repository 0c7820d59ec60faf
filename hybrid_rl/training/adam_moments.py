"""Adam's moments by the names that updates give them: one set is the optimizer's state, the others rest.

Momentum of one loss then does not leak into steps on another, and each bias correction counts its own steps. A second
optimizer of PyTorch would do as much, but the schedule and the checkpoint of transformers know one, and DeepSpeed's
engine steps one. So the state of that one is exchanged, whole: it is a dictionary by the tensors that the optimizer
steps, which are the weights, or under ZeRO this rank's parts of their float32 copies. No tensor moves; those that rest
stay on their device.

Where DeepSpeed keeps that state on NVMe it cannot be exchanged; `config/hardware_rules.py` refuses it beforehand.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hybrid_rl.training.optimizer_step import innermost

State = defaultdict[torch.Tensor, dict[str, Any]]
_IN_USE = "in use"


class NamedMoments:
    """The moments of a run. All ranks make the same calls."""

    def __init__(self) -> None:
        self.in_use: str | None = None
        """The name of those that are the optimizer's state; None before the first update."""
        self.resting: dict[str, State] = {}

    def use(self, name: str, optimizer: torch.optim.Optimizer) -> None:
        """Makes `name`'s moments the optimizer's state; a name that is new, or was never stepped, begins with none."""
        if self.in_use not in (None, name):
            stepping = innermost(optimizer)
            self.resting[str(self.in_use)] = stepping.state
            stepping.state = self.resting.pop(name, defaultdict(dict))
        self.in_use = name

    def drop_resting(self) -> None:
        """Deletes all moments but those in use."""
        self.resting.clear()

    def save(self, optimizer: torch.optim.Optimizer, path: Path) -> None:
        """Writes the moments that rest, and the name of those in use, which the checkpoint holds with the optimizer."""
        places = {id(tensor): place for place, tensor in enumerate(_stepped(optimizer))}
        found = {
            f"{name}/{places[id(tensor)]}/{key}": torch.as_tensor(value)
            for name, state in self.resting.items()
            for tensor, values in state.items()
            for key, value in values.items()
        }
        save_file(found, path, metadata={_IN_USE: self.in_use or ""})

    def load(self, optimizer: torch.optim.Optimizer, path: Path) -> None:
        """Undoes `save`; the optimizer already has the moments that were in use."""
        stepped, group = _stepped(optimizer), innermost(optimizer).param_groups[0]
        # Adam counts its steps on the CPU unless one kernel does it all.
        counts_on_device = group.get("fused") or group.get("capturable")
        self.resting = {}
        with safe_open(path, "pt") as saved:
            self.in_use = saved.metadata()[_IN_USE] or None
            for full_key in saved.keys():  # noqa: SIM118 - it is not a dictionary
                name, place, key = full_key.rsplit("/", 2)
                value, tensor = saved.get_tensor(full_key), stepped[int(place)]
                if key != "step" or counts_on_device:
                    value = value.to(tensor.device)
                # DeepSpeed's own Adam has a plain int for a step count.
                number = value if value.is_floating_point() else value.item()
                state = self.resting.setdefault(name, defaultdict(dict))
                state.setdefault(tensor, {})[key] = number


def _stepped(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """The tensors by which the state goes, in an order that a resume repeats."""
    # ZeRO-3 shows them to its optimizer only while that steps.
    parts = getattr(getattr(optimizer, "optimizer", None), "fp32_partitioned_groups_flat", None)
    if parts is not None:
        return list(parts)
    return [tensor for group in innermost(optimizer).param_groups for tensor in group["params"]]
