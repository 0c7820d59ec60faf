"""What a token of a rollout adds to the loss when the policy is no longer the one that drew it.

With r the ratio of the probabilities, new to old, and c what the token weighs (its advantage over a normaliser):

    ppo    - min(c r, c clip(r, 1 - low, 1 + high))      Schulman 2017; high above low is DAPO's clip-higher
    cispo  - c [min(r, 1 + high)] log p                  MiniMax-M1 2025: the weight is clipped, no token is dropped
    none   - c r

[.] has no gradient. r is that of the token, or for all tokens of a row [s] p_t / [p_t] with s = exp(mean_t log r_t),
the length-normalised ratio of the sequence (GSPO 2025): value and gradient are those of s where all tokens of a row
weigh the same, and where they do not, each token keeps its own weight. It knows no model.
"""

from dataclasses import dataclass

import torch

from hybrid_rl.config.train import ClipKind, RatioLevel, RlSettings


@dataclass(frozen=True)
class Clip:
    """How the ratio enters the loss."""

    kind: ClipKind
    low: float
    """How far below 1 the ratio may be; nothing for cispo and none."""
    high: float
    """How far above 1 it may be; nothing for none."""
    level: RatioLevel

    @classmethod
    def of(cls, rl: RlSettings) -> "Clip":
        low, high = rl.clip_bounds
        return cls(rl.clip or "ppo", low, high, rl.ratio or "token")


def ratios(
    log_probs: torch.Tensor, old: torch.Tensor, mask: torch.Tensor, level: RatioLevel
) -> torch.Tensor:
    """The ratio of each token, (B, T), with its gradient; `old` are log-probabilities of the policy that drew them.

    `mask`, (B, T), is true for the tokens of a row; the values elsewhere are not to be read.
    """
    if level == "token":
        return torch.exp(log_probs - old)
    gap = (log_probs.detach() - old).masked_fill(~mask, 0.0)
    mean = gap.sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
    return torch.exp(mean + log_probs - log_probs.detach())


def surrogate(
    coefficients: torch.Tensor, ratio: torch.Tensor, log_probs: torch.Tensor, clip: Clip
) -> torch.Tensor:
    """The loss of each token, (B, T); `coefficients`, (B, T) without a gradient, are positive where it is to rise."""
    if clip.kind == "none":
        return -coefficients * ratio
    if clip.kind == "cispo":
        return -coefficients * ratio.detach().clamp(max=1 + clip.high) * log_probs
    bounded = ratio.clamp(1 - clip.low, 1 + clip.high)
    return -torch.min(coefficients * ratio, coefficients * bounded)


def clipped(coefficients: torch.Tensor, ratio: torch.Tensor, clip: Clip) -> torch.Tensor:
    """Whether the clip holds each token back, (B, T): ppo leaves it without a gradient, cispo with the largest weight.

    ppo clips only what has gone far enough in the direction in which its advantage drives it.
    """
    above = ratio > 1 + clip.high
    if clip.kind == "none":
        return torch.zeros_like(above)
    if clip.kind == "cispo":
        return above & (coefficients != 0)
    return (above & (coefficients > 0)) | ((ratio < 1 - clip.low) & (coefficients < 0))
