"""The rounding of the forward pass in training, for evaluations at any time.

accelerate and DeepSpeed give a model that rounding when training begins. Without it "before", "best" and task=evaluate
would be answers of another model than "after".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from accelerate.utils import convert_outputs_to_fp32

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.models import upstream


@contextmanager
def as_in_training(model: Any, hardware: HardwareSettings) -> Iterator[None]:
    """A context in which `model` rounds as hardware.precision says. Nothing changes once training has begun."""
    if not hardware.in_bfloat16 or upstream.is_prepared(model):
        yield
    elif hardware.deepspeed is None:
        with _autocast(model):
            yield
    else:
        with _rounded(model):
            yield


@contextmanager
def _autocast(model: Any) -> Iterator[None]:
    """The rounding of Accelerator.prepare_model: by each operation, from float32 weights to a float32 output."""
    own, forward = model.__dict__.get("forward"), model.forward.__func__
    rounding = torch.autocast(model.device.type, dtype=torch.bfloat16)
    model.forward = MethodType(convert_outputs_to_fp32(rounding(forward)), model)
    try:
        yield
    finally:
        del model.forward
        if own is not None:
            model.forward = own


@contextmanager
def _rounded(model: Any) -> Iterator[None]:
    """The rounding of DeepSpeed: that of the weights themselves; what is sharded is rounded already."""
    kept = {p: p.data for p in model.parameters() if not hasattr(p, "ds_id")}
    for weight in kept:
        weight.data = weight.data.to(torch.bfloat16)
    try:
        yield
    finally:
        for weight, data in kept.items():
            weight.data = data
