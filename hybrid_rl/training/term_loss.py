"""The loss of a micro-batch of weighed rows, in float32. It knows no model: log-probabilities and entropies come in.

    w_r  = weight * advantage * exp(entropy * mean entropy of the row)        without a gradient
    c_rt = share * w_r * kept_rt * factor(p_rt) * sampler_rt                  without a gradient
    loss = - sum_rt c_rt log p_rt - sum_rt bonus * H_rt + sum_rt kl * KL_rt

`sampler_rt` is 1, or corrects for a sampler that rounds otherwise (`lean/sampler_gap.py`). Rows with a reward have
p / [p] in place of log p: the gradient is the same, and the value is that of TRL's loss. Where a batch has several
updates, rows of which `Row.over_old` says so have the ratio of new to old probabilities there, and its clip: see
`policy_ratio`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hybrid_rl.methods.terms import Factor, Row
from hybrid_rl.training.policy_ratio import Clip, clipped, ratios, surrogate
from hybrid_rl.training.term_weights import WeightedRow

SUMS = (
    "tokens", "loss", "weight", "p", "entropy", "kl", "judged_tokens",
    "ratio", "clipped", "ratio_tokens",
)  # fmt: skip
"""What `loss_of` adds up of every row; weight: of the absolute values of c; ratio: of tokens over old probabilities."""


@dataclass(frozen=True)
class Compared:
    """What log-probabilities are compared with; all are (B, T), without a gradient."""

    reference: torch.Tensor | None = None
    """Those of the reference model."""
    weighs_kl: bool = True
    """Whether the KL is multiplied by the ratio of new to old probabilities, as in TRL."""
    old: torch.Tensor | None = None
    """Those of the policy that drew the rows; None: it is the policy itself."""
    clip: Clip | None = None
    """What bounds the ratio, where there is `old`."""
    weights: torch.Tensor | None = None
    """What each token's gradient is multiplied by, since a sampler drew it that rounds otherwise; None: 1."""


def loss_of(
    rows: Sequence[WeightedRow],
    log_probs: torch.Tensor,
    entropies: torch.Tensor,
    compared: Compared = Compared(),
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, a scalar, and the sums of each row, (B, len(SUMS)), without a gradient.

    `log_probs` and `entropies` are (B, T), B rows with targets padded to T.
    """
    device = log_probs.device
    lengths = _column([len(one.row.target) for one in rows], device)
    mask = torch.arange(log_probs.shape[1], device=device) < lengths
    log_probs = log_probs.float().masked_fill(~mask, 0.0)
    entropies = entropies.float().masked_fill(~mask, 0.0)
    share = _column([one.share for one in rows], device)
    coefficients = share * _row_weights(rows, entropies.detach(), lengths)
    factors = _factors(rows, log_probs.detach().exp())
    coefficients = coefficients * factors * _kept(rows, entropies.detach(), mask, lengths)
    if compared.weights is not None:
        coefficients = coefficients * compared.weights
    ratio = torch.exp(log_probs - log_probs.detach())
    judged = _column([one.row.reward is not None for one in rows], device)
    per_token = -coefficients * torch.where(judged, ratio, log_probs)
    told = [torch.zeros_like(log_probs)] * 3
    if compared.old is not None and compared.clip is not None:
        over_old = mask & _column([one.row.over_old for one in rows], device)
        moved = ratios(log_probs, compared.old.float(), over_old, compared.clip.level)
        ratio = torch.where(over_old, moved, ratio)
        bounded = surrogate(coefficients, ratio, log_probs, compared.clip)
        per_token = torch.where(over_old, bounded, per_token)
        held = clipped(coefficients, ratio.detach(), compared.clip)
        told = [ratio * over_old, held & over_old, over_old]
    per_token = per_token - _column([one.bonus for one in rows], device) * entropies
    kl = torch.zeros_like(log_probs)
    if compared.reference is not None:
        above = compared.reference.float().masked_fill(~mask, 0.0) - log_probs
        kl = torch.exp(above) - above - 1
        kl = kl * ratio if compared.weighs_kl else kl
        per_token = per_token + _column([one.kl for one in rows], device) * kl
    per_token = per_token * mask
    judged_mask = mask & judged
    sums = [
        mask, per_token, coefficients.abs() * mask, log_probs.exp() * mask, entropies,
        kl * judged_mask, judged_mask, *told,
    ]  # fmt: skip
    return per_token.sum(), torch.stack([one.detach().sum(1).double() for one in sums], dim=1)


def _row_weights(
    rows: Sequence[WeightedRow], entropies: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """w_r, (B, 1)."""
    device = entropies.device
    mean = entropies.sum(1, keepdim=True) / lengths.clamp(min=1)
    power = _column([one.row.entropy for one in rows], device)
    return _column([one.weight for one in rows], device) * torch.exp(power * mean)


def _factors(rows: Sequence[WeightedRow], p: torch.Tensor) -> torch.Tensor:
    """factor(p_rt), (B, T)."""
    found = torch.ones_like(p)
    for number, one in enumerate(rows):
        if one.row.factor != "one":
            found[number] = factor_of(one.row.factor, p[number], one.row.shape)
    return found


def factor_of(factor: Factor, p: torch.Tensor, shape: float = Row.shape) -> torch.Tensor:
    """What a token's weight is multiplied by, for probabilities of any shape; see `methods.terms.Factor`."""
    if factor == "p":
        return p
    if factor == "p(1-p)":
        return p * (1 - p)
    if factor == "shaped":
        return shape * p / (p + shape) ** 2
    return torch.ones_like(p)


def _kept(
    rows: Sequence[WeightedRow], entropies: torch.Tensor, mask: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """The tokens of each row that learn, (B, T): the share `keep` of highest entropy, of equal ones the first."""
    if all(one.row.keep >= 1.0 for one in rows):
        return mask
    dropped = _column([(1 - one.row.keep) for one in rows], mask.device) * lengths
    most = lengths - (dropped + 1e-6).floor()  # 0.8 * 10 may come out as 7.999...
    order = entropies.masked_fill(~mask, -1.0).argsort(dim=1, descending=True, stable=True)
    return (order.argsort(dim=1) < most) & mask


def _column(values: Sequence[float], device: torch.device) -> torch.Tensor:
    return torch.tensor(values, device=device).unsqueeze(1)
