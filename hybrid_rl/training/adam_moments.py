"""A second set of Adam's moments on the same weights, for a kind of update that keeps its own (ReLIFT's SFT).

Momentum of one loss then does not leak into steps on another, and each bias correction counts its own steps. It is not
for DeepSpeed, whose engine owns the only optimizer state, and not a second optimizer of PyTorch: the schedule and the
checkpoint of transformers know one.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

FILE = "own_moments.safetensors"


class OwnMoments:
    """The optimizer's state while it is not in use: `enter` before the update, `leave` after it."""

    def __init__(self) -> None:
        self.resting: dict[Any, Any] = defaultdict(dict)
        self.entered = False

    def enter(self, optimizer: torch.optim.Optimizer) -> None:
        """Puts these moments into use, before the update."""
        self._swap(optimizer)
        self.entered = True

    def leave(self, optimizer: torch.optim.Optimizer) -> None:
        """Puts the optimizer's own moments back, after the update; does nothing where `enter` was not called."""
        if self.entered:
            self._swap(optimizer)
            self.entered = False

    def save(self, optimizer: torch.optim.Optimizer, checkpoint: Path) -> None:
        """Writes the moments into a checkpoint; no file where no update has used them yet."""
        if not self.resting:
            return
        found = {
            f"{index}.{name}": torch.as_tensor(value)
            for index, parameter in enumerate(_parameters(optimizer))
            for name, value in self.resting.get(parameter, {}).items()
        }
        save_file(found, checkpoint / FILE)

    def load(self, optimizer: torch.optim.Optimizer, checkpoint: Path) -> None:
        """Undoes `save`."""
        self.resting = defaultdict(dict)
        if not (checkpoint / FILE).exists():
            return
        parameters = _parameters(optimizer)
        for key, value in load_file(checkpoint / FILE).items():
            index, _, name = key.partition(".")
            parameter = parameters[int(index)]
            # Adam counts its steps on the CPU, whatever the device of the weights.
            self.resting[parameter][name] = value if name == "step" else value.to(parameter.device)

    def _swap(self, optimizer: torch.optim.Optimizer) -> None:
        inner = getattr(optimizer, "optimizer", optimizer)  # inside Accelerate's wrapper
        inner.state, self.resting = self.resting, inner.state


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
