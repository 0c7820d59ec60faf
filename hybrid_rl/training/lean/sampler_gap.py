"""How far the probabilities of the sampler are from those of the trainer, and weights that correct for it.

A sampler that rounds otherwise than the trainer draws from another policy. `SamplerGap` measures that on the tokens in
the loss, and gives each the ratio of the two probabilities as a weight, truncated (truncated importance sampling,
Ionides 2008), where a cap says so. It knows no trainer.
"""

from dataclasses import dataclass, field
from math import nan

import torch

from hybrid_rl.training.lean.microbatches import Inputs

SAMPLED = "sampling_per_token_logps"
"""The key under which TRL keeps the sampler's log-probabilities, (B, T), in a micro-batch."""
WEIGHTS = "importance_sampling_ratio"
"""The key under which TRL's loss finds the weights, (B, T)."""


@dataclass
class SamplerGap:
    """The absolute differences of log-probabilities of one update, as far as it has been computed."""

    cap: float | None
    """The largest weight; None: no weights."""
    _seen: list[float] = field(default_factory=list)

    def compare(self, log_probs: torch.Tensor, inputs: Inputs) -> None:
        """Takes in the trainer's log-probabilities, (B, T), of a micro-batch, and adds the weights to it."""
        in_loss = inputs["completion_mask"].bool()
        if "tool_mask" in inputs:
            in_loss = in_loss & inputs["tool_mask"].bool()
        weights = self.weights(log_probs.masked_fill(~in_loss, nan), inputs[SAMPLED])
        if weights is not None:
            inputs[WEIGHTS] = weights

    def weights(self, log_probs: torch.Tensor, sampled: torch.Tensor) -> torch.Tensor | None:
        """Takes in the differences to the sampler's log-probabilities; the weights of the tokens where there is a cap.

        All are (B, T). A token of which nothing is known (NaN), as of a completion that was given, weighs 1.
        """
        differences = log_probs.detach() - sampled
        self._seen += differences[~differences.isnan()].abs().tolist()
        return None if self.cap is None else differences.nan_to_num(0.0).exp().clamp(max=self.cap)

    def take(self) -> list[float]:
        """The differences of this rank since the last call."""
        seen, self._seen = self._seen, []
        return seen


def summary(differences: list[float]) -> dict[str, float]:
    """The mean and the 99th percentile, by their names on a metrics line; nothing without a difference."""
    if not differences:
        return {}
    found = torch.tensor(differences, dtype=torch.float64)
    high = found.kthvalue(-(-99 * len(found) // 100)).values
    return {"sampler_gap_mean": float(found.mean()), "sampler_gap_p99": float(high)}
