"""Log-probabilities and entropies of given tokens, with no more work than their gradient needs.

This is not TRL's fused head (`add_fused_lm_head`) nor Liger's kernels: both are made for GPUs. On a CPU TRL's head
projects every position, prompts and padding too, to the vocabulary, and computes the logits again for the backward
pass. Neither reads a shared context once. Together with `microbatches` this takes a step to 0.5 to 0.7 of plain TRL's
(docs/speed.md).

`install` teaches a model another way, through its own `forward`, so that whatever wraps the model (DDP, ZeRO, LoRA)
sees one call: only tokens in the loss meet the vocabulary, and a context that several rows share is read once, its keys
and values expanded to them. Gradients flow through both.
"""

import functools
import types
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache

from hybrid_rl.models import decoding

IGNORED = -100  # label of a token outside the loss, by the convention of transformers
PIECE = 1 << 26  # logits held at a time where not all can be: 256 MiB
LIMIT = 1 << 28  # logits up to which all are kept for the backward pass: 1 GiB

_LOGIT_CHANGES = (
    "final_logit_softcapping",
    "logit_scale",
    "output_multiplier",
    "lm_head_multiplier",
    "logits_scaling",
)
"""Fields by which a configuration says that logits are not just the projection of the last hidden state."""


@dataclass(frozen=True)
class ScoringRequest:
    """What `model(input_ids=..., attention_mask=..., request=...)` is to score."""

    labels: torch.Tensor
    """(B, T), not shifted; IGNORED outside the loss, and throughout the context."""
    context: int
    """Leading columns, padded on the left, that hold no label; 0 for rows that are padded on the right."""
    temperature: float
    shared: bool
    """Whether equal contexts are read once."""
    entropy_gradient: bool


def install(model: Any) -> bool:
    """Lets `model(..., request=ScoringRequest)` return log-probabilities and entropies; False where it cannot.

    Each is (B, T - max(context, 1)), float32, and 0 where the label is IGNORED. A model whose logits are more than a
    projection is left as it is.
    """
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    config = base.config.get_text_config()
    changes = [getattr(config, name, None) for name in _LOGIT_CHANGES]
    if any(change not in (None, 1.0) for change in changes) or not decoding.supports(base):
        return False
    if type(base.get_output_embeddings()) is not torch.nn.Linear:  # an adapter of its own
        return False
    forward = base.forward

    # `generate` checks what it is given against the signature of the original, which `wraps` leaves a trace to.
    @functools.wraps(forward)
    def scoring(self: Any, *args: Any, request: ScoringRequest | None = None, **kwargs: Any) -> Any:
        if request is None:
            return forward(*args, **kwargs)
        return _score(self, request, kwargs["input_ids"], kwargs["attention_mask"])

    base.forward = types.MethodType(scoring, base)
    return True


def _score(
    model: Any, request: ScoringRequest, input_ids: torch.Tensor, attention_mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    labels = request.labels[:, max(request.context, 1) :]
    distinct, source = _distinct(input_ids, attention_mask, request)
    if len(distinct) < len(input_ids):
        hidden = _hidden_shared(model, input_ids, attention_mask, request.context, distinct, source)
    else:
        backbone = model.base_model
        found = backbone(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        hidden = found.last_hidden_state[:, max(request.context, 1) - 1 : -1]
    counts = labels != IGNORED
    head = model.get_output_embeddings()
    how = (request.temperature, request.entropy_gradient)
    log_probs, entropy = score_tokens(hidden[counts], head.weight, head.bias, labels[counts], *how)
    empty = log_probs.new_zeros(counts.shape)
    return empty.masked_scatter(counts, log_probs), empty.masked_scatter(counts, entropy)


def _distinct(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, request: ScoringRequest
) -> tuple[list[int], list[int]]:
    """A row for each distinct context, and for every row which of these it has."""
    rows = range(len(input_ids))
    if not request.shared or request.context < 2:
        return list(rows), list(rows)
    ids, seen = (part[:, : request.context].tolist() for part in (input_ids, attention_mask))
    keys = [(tuple(ids[row]), tuple(seen[row])) for row in rows]
    first: dict[Any, int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    order = {key: index for index, key in enumerate(first)}
    return list(first.values()), [order[key] for key in keys]


def _hidden_shared(
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    context: int,
    distinct: list[int],
    source: list[int],
) -> torch.Tensor:
    """The last hidden states that predict what follows the context, (B, T - context, H)."""
    rows = torch.tensor(source, device=input_ids.device)
    cache = DynamicCache(config=model.config)
    read = model.base_model(
        input_ids=input_ids[distinct, :context],
        attention_mask=attention_mask[distinct, :context],
        past_key_values=cache,
        use_cache=True,
    )
    last: torch.Tensor = read.last_hidden_state[:, -1:].index_select(0, rows)
    if input_ids.shape[1] == context + 1:
        return last
    layers: list[Any] = cache.layers  # each a DynamicLayer with keys and values: `install` asked
    for layer in layers:
        layer.keys = layer.keys.index_select(0, rows)
        layer.values = layer.values.index_select(0, rows)
    # The last token predicts nothing.
    written = model.base_model(
        input_ids=input_ids[:, context:-1],
        attention_mask=attention_mask[:, :-1],
        past_key_values=cache,
        use_cache=True,
    )
    return torch.cat([last, written.last_hidden_state], dim=1)


def score_tokens(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    tokens: torch.Tensor,
    temperature: float,
    entropy_gradient: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability and entropy, each (N,), of `tokens` (N,) after `hidden` (N, H), by a head of V rows.

    Entropy has a gradient where `entropy_gradient` says so. Up to LIMIT, the N x V probabilities are kept for the
    backward pass; more are computed a piece at a time, and again for the backward pass.
    """
    vocabulary = weight.shape[0]
    inputs = (weight, bias, temperature, entropy_gradient)
    apply: Any = _Head.apply  # torch has no types for it
    if len(tokens) * vocabulary <= LIMIT:
        found = apply(hidden, tokens, *inputs)
        return found[0], found[1]
    size = max(1, PIECE // vocabulary)
    pieces = [
        checkpoint(apply, part, chosen, *inputs, use_reentrant=False)
        for part, chosen in zip(hidden.split(size), tokens.split(size), strict=True)
    ]
    return torch.cat([piece[0] for piece in pieces]), torch.cat([piece[1] for piece in pieces])


class _Head(torch.autograd.Function):
    """Projection, log-softmax and entropy in one buffer of N x V: logits become probabilities, these the gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        tokens: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        temperature: float,
        entropy_gradient: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.nn.functional.linear(hidden, weight, bias).float()
        if temperature != 1.0:
            logits /= temperature
        index = tokens.unsqueeze(1)
        log_total = logits.logsumexp(1, keepdim=True)
        log_probs = logits.gather(1, index) - log_total
        probabilities = torch.exp(logits - log_total)
        # H = log Z - sum p z; a product of rows, so that no second buffer is filled.
        expected = torch.linalg.vecdot(probabilities, logits, dim=1).unsqueeze(1)
        entropy = log_total - expected
        ctx.save_for_backward(hidden, weight, index, entropy, probabilities)
        ctx.temperature = temperature
        ctx.entropy_gradient = entropy_gradient
        if not entropy_gradient:
            ctx.mark_non_differentiable(entropy)
        return log_probs.squeeze(1), entropy.squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_log_probs: torch.Tensor, of_entropy: torch.Tensor) -> Any:
        hidden, weight, index, entropy, probabilities = ctx.saved_tensors
        upstream = of_log_probs.unsqueeze(1)
        from_entropy = None
        if ctx.entropy_gradient:  # dH / dz = -p (log p + H)
            from_entropy = torch.xlogy(probabilities, probabilities)
            from_entropy += probabilities * entropy
            from_entropy *= of_entropy.unsqueeze(1)
        # d log p_y / dz = 1[y] - p, written over p.
        gradient = probabilities.mul_(-upstream).scatter_add_(1, index, upstream)
        if from_entropy is not None:
            gradient -= from_entropy
        if ctx.temperature != 1.0:
            gradient /= ctx.temperature
        of_bias = gradient.sum(0) if ctx.needs_input_grad[3] else None
        gradient = gradient.to(weight.dtype)
        of_hidden = (gradient @ weight).to(hidden.dtype)
        of_weight = gradient.t() @ hidden.to(weight.dtype) if ctx.needs_input_grad[2] else None
        return of_hidden, None, of_weight, of_bias, None, None
