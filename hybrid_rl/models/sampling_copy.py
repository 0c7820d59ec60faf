"""A copy of a model's weights in half precision, for sampling on a CPU, where it takes half the time.

Training goes on in the model's own dtype. Samples are then drawn from a policy that differs from the trained one by
rounding, about as much as autocast differs from float32; `train.rl.importance_cap` corrects for that.
"""

import copy

import torch
from transformers import PreTrainedModel

from hybrid_rl.models import upstream


class SamplingCopy:
    """The copy, which is made with the first use and takes the weights anew with every one."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._copy: PreTrainedModel | None = None

    @torch.no_grad()
    def of(self, model: PreTrainedModel) -> PreTrainedModel:
        """The model with its weights as they are now, rounded. It computes nothing in `model` and keeps no gradient."""
        if self._copy is None:
            self._copy = self._made(model)
        weights = dict(self._copy.named_parameters())
        for name, weight in model.named_parameters():
            weights[name].copy_(weight)
        return self._copy

    def _made(self, model: PreTrainedModel) -> PreTrainedModel:
        # Not a deep copy: what wraps the forward pass of a model in training would still call that model.
        with torch.random.fork_rng(devices=[]), torch.device(model.device):
            made: PreTrainedModel = type(model)(copy.deepcopy(model.config))
        made.set_attn_implementation(upstream.attention_of(model))
        for weight in made.parameters():
            # The weights alone: tables of positions stay in float32, as where a model is loaded in this dtype.
            weight.data = weight.data.to(self._dtype)
        made.requires_grad_(False)
        made.eval()
        return made
