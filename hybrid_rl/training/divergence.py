"""The divergence of the policy from a reference model on given tokens: KL over the whole vocabulary.

This is not the estimate by sampled tokens that the KL of an RL loss is (TRL's `beta`): demonstrations are no samples of
the policy, so that estimate would be biased on them. Pure: two tensors of logits in, a number out.
"""

import torch

PIECE = 1 << 26  # probabilities held at a time: 256 MiB


def token_kl(logits: torch.Tensor, reference_logits: torch.Tensor) -> torch.Tensor:
    """KL(p || q) = sum over v of p(v) (log p(v) - log q(v)) at each token, (N,), in nats, float32.

    p and q are the distributions of `logits` and `reference_logits`, each (N, V), N tokens over a vocabulary of V.
    """
    log_p, log_q = (one.float().log_softmax(-1) for one in (logits, reference_logits))
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def kl_sum(logits: torch.Tensor, reference_logits: torch.Tensor) -> float:
    """The sum of `token_kl` over all N tokens, a piece of them at a time; 0 where there are none."""
    size = max(1, PIECE // logits.shape[-1])
    pieces = zip(logits.split(size), reference_logits.split(size), strict=True)
    return sum(float(token_kl(*piece).sum(dtype=torch.float64)) for piece in pieces)
