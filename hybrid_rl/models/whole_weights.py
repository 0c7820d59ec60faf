"""The whole weights of a model in training, brought together for generation where ranks hold shards of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from trl.models.utils import unwrap_model_for_generation

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.models import upstream
from hybrid_rl.models.precision import as_in_training


def has_shards(accelerator: Accelerator) -> bool:
    """Whether no rank has all weights, as with ZeRO-3."""
    plugin = accelerator.state.deepspeed_plugin
    return plugin is not None and plugin.zero_stage == 3


@contextmanager
def for_generation(
    wrapped: torch.nn.Module, accelerator: Accelerator, gather: bool, hardware: HardwareSettings
) -> Iterator[torch.nn.Module]:
    """The bare model to generate with, rounding as in training; `gather` brings the shards of ZeRO-3 together.

    TRL leaves one hook of DeepSpeed on the model, which compares the ranks before every forward pass: they would wait
    for each other once one has fewer tokens to draw.
    """
    with (
        unwrap_model_for_generation(wrapped, accelerator, gather) as model,
        as_in_training(model, hardware),
    ):
        optimizer = getattr(wrapped, "optimizer", None)
        offload: Any = getattr(optimizer, "parameter_offload", optimizer)
        comparing = getattr(offload, "fwd_pre_hook", None)
        if not gather or comparing is None:
            yield model
            return
        with upstream.without_forward_pre_hook(offload.module, comparing.id):
            yield model
