"""A copy of a model without any engine, whose gradients the doctor's trial takes for the true ones.

It is rounded as the engine rounds: each weight to the type that the engine computes with, its operations by the
engine's own autocast. What is summed up here, over rows, is summed up in float32.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from hybrid_rl.types import Ids

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class WeightedDemonstration:
    """A target after its context, and what the log-probability of the target's tokens counts in the loss."""

    context: Ids
    target: Ids
    share: float


class PlainModel:
    """A model like the given one, which may be a shard: it is built from its configuration, and `load` fills it."""

    def __init__(self, model: Any, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        # Not loaded but built: under ZeRO-3 transformers would cut what it loads.
        with torch.random.fork_rng(devices=[]):
            self.model = _built(model)
        self.autocast = autocast

    def to(self, device: torch.device, types: Mapping[str, torch.dtype]) -> None:
        """Moves the model to a device, and each weight, by its name, to the type that the engine computes with."""
        self.model.to(device)
        for name, weight in self.model.named_parameters():
            weight.data = weight.data.to(types[name])

    def load(self, weights: Weights) -> None:
        """Takes over some or all weights, each of them whole, and rounds them."""
        for name, weight in self.model.named_parameters():
            if name in weights:
                weight.data.copy_(weights[name])

    def gradient(self, rows: Sequence[WeightedDemonstration]) -> torch.Tensor:
        """The gradient of the sum over rows of share * -log p(target), flat, float32, for the weights trained."""
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        total = torch.cat([torch.zeros_like(w, dtype=torch.float32).flatten() for w in trained])
        for row in rows:
            ids = torch.tensor([row.target], device=self.model.device)
            log_probs = self.log_probs(row.context, row.target)
            chosen = log_probs.gather(-1, ids[0].unsqueeze(-1))
            # What a row does not reach has a gradient of zeros.
            parts = torch.autograd.grad(-row.share * chosen.sum(), trained, materialize_grads=True)
            total += torch.cat([part.float().flatten() for part in parts])
        return total

    def log_probs(self, context: Ids, target: Ids) -> torch.Tensor:
        """Log-probabilities (T, V) of all tokens at each place of `target`, in nats, float32."""
        ids = torch.tensor([(*context, *target)], device=self.model.device)
        with self.autocast():
            logits = self.model(input_ids=ids, use_cache=False).logits
        log_probs: torch.Tensor = logits[0, len(context) - 1 : -1].float().log_softmax(-1)
        return log_probs


def _built(model: Any) -> Any:
    """A model of the same class, with the same adapters; without dropout, as the trial has none."""
    if not hasattr(model, "get_base_model"):
        return type(model)(model.config).float()
    base = model.get_base_model()
    adapters = model.peft_config[model.active_adapter]
    return type(model)(_built(base), adapters)
