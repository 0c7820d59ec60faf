"""The optimizer's own step, watched where every engine takes it: how far it moves the weights, and whether it may.

PyTorch's hooks before and after the step of the innermost optimizer are the one place that all engines share. On
DeepSpeed it steps inside `backward`, part by part of this rank's float32 copies, and nobody outside sees gradients.
"""

import math
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType

from hybrid_rl.config.train import TrainSettings
from hybrid_rl.models import upstream


def innermost(optimizer: Any) -> torch.optim.Optimizer:
    """The optimizer of PyTorch that is inside the wrappers of Accelerate and DeepSpeed."""
    while hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    found: torch.optim.Optimizer = optimizer
    return found


class WatchedStep:
    """Watches the steps of one optimizer. All ranks make the same calls."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, train: TrainSettings, accelerator: Accelerator
    ) -> None:
        self._train = train
        self._accelerator = accelerator
        self._zero: Any = getattr(optimizer, "optimizer", None)
        """DeepSpeed's optimizer, which knows the global norm; on other engines what Accelerate wraps."""
        self._before: list[tuple[torch.Tensor, torch.Tensor]] = []
        """The weights that are about to be stepped, each with a copy."""
        self._hidden: list[tuple[torch.Tensor, torch.Tensor]] = []
        """The weights that must not be stepped, each with its gradient."""
        self._moved: list[list[torch.Tensor]] = [[]]
        """The squared distances so far, a list for every update of this step, in it one for every optimizer's step."""
        stepping = innermost(optimizer)
        stepping.register_step_pre_hook(self._begin)
        stepping.register_step_post_hook(self._end)

    def begin(self) -> None:
        """Forgets the step before, which may have been skipped after a part of it."""
        self._moved = [[]]

    def begin_further_update(self) -> None:
        """Tells the updates of a step apart."""
        self._moved.append([])

    def leaves_alone(self, grad_norm: float) -> bool:
        """Whether an update whose gradient has this norm must not move anything."""
        return grad_norm == 0.0 and not self._train.step_on_zero_gradient

    def update_norm(self) -> float | None:
        """The L2 norm of what the latest step changed in all trained weights; None: it is not wanted.

        Of several updates it is the sum of their norms, the length of the way.
        """
        if not self._train.update_norm:
            return None
        return sum(self._norm(moved) for moved in self._moved)

    def _norm(self, moved: list[torch.Tensor]) -> float:
        device = self._accelerator.device
        total = torch.zeros((), device=device)
        for squared in moved:
            total += squared.to(device)
        if self._is_deepspeed:  # each rank steps a part; on other engines all step everything
            total = self._accelerator.reduce(total, "sum")
        return math.sqrt(float(total))

    @property
    def _is_deepspeed(self) -> bool:
        return bool(self._accelerator.distributed_type == DistributedType.DEEPSPEED)

    def _begin(self, stepping: torch.optim.Optimizer, *_: Any) -> None:
        weights = [
            weight
            for group in stepping.param_groups
            for weight in group["params"]
            if weight.grad is not None
        ]
        if self._is_deepspeed and self.leaves_alone(upstream.norm_of_zero(self._zero)):
            # Adam passes over what has no gradient. Its buffer is needed again where it was offloaded.
            self._hidden = [(weight, weight.grad) for weight in weights]
            for weight in weights:
                weight.grad = None
        elif self._train.update_norm:
            self._before = [(weight, weight.detach().clone()) for weight in weights]

    def _end(self, *_: Any) -> None:
        for weight, gradient in self._hidden:
            weight.grad = gradient
        if self._before:
            self._moved[-1].append(squared_distance(self._before))
        self._hidden, self._before = [], []


@torch.no_grad()
def squared_distance(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """The sum of (a - b)^2 over all numbers of all pairs, in float32; b is overwritten."""
    norms = [torch.linalg.vector_norm(b.sub_(a), dtype=torch.float32) for a, b in pairs]
    return torch.stack(norms).square().sum()
