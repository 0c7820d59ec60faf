"""What this device can do at most, and what a step asks of it: how far a step is from its floor."""

import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel


def ceilings(device: torch.device, compute: torch.dtype) -> dict[str, Any]:
    """Measured: multiplications of matrices of dtype `compute` in GFLOP/s, and copies in memory in GB/s (read and
    written)."""
    size = 8192 if device.type == "cuda" else 768
    left = torch.randn(size, size, device=device).to(compute)
    matmul = _best(lambda: left @ left, device)
    source = torch.empty(1 << 26, device=device)
    target = torch.empty_like(source)
    copy = _best(lambda: target.copy_(source), device)
    return {
        "dtype": str(compute).removeprefix("torch."),
        "matmul_gflops": 2 * size**3 / matmul / 1e9,
        "copy_gbytes_per_second": 2 * source.numel() * 4 / copy / 1e9,
    }


def one_token_seconds(model: PreTrainedModel, compute: torch.dtype) -> float:
    """A forward pass of one row and one token, without cache: what the model costs in calls alone, nearly."""
    ids = torch.ones(1, 1, dtype=torch.long, device=model.device)
    mixed = torch.autocast(model.device.type, compute, enabled=compute != model.dtype)
    with torch.inference_mode(), mixed:
        return _best(lambda: model(input_ids=ids, use_cache=False), model.device)


def needs(
    model: PreTrainedModel,
    prompt: float,
    completion: float,
    distinct: int,
    rows: int,
    trained_rows: int,
    decode_steps: int,
    compute: torch.dtype,
) -> dict[str, float]:
    """FLOPs and bytes of one step in which each distinct prompt is read once.

    `prompt`, `completion`: mean tokens. By the usual rule, 2 FLOPs per weight and token of a forward pass, twice that
    for a backward pass, and attention's own. Sampling reads all weights, as they are stored, and all keys and values,
    of dtype `compute`, at every token.
    """
    config = model.config.get_text_config()
    weights = sum(p.numel() for p in model.parameters())
    stored = weights * model.dtype.itemsize
    width = config.num_hidden_layers * config.num_attention_heads * config.head_dim
    held = (
        2
        * config.num_hidden_layers
        * config.num_key_value_heads
        * config.head_dim
        * compute.itemsize
    )
    seen = prompt + completion / 2
    read, drawn = distinct * prompt, rows * completion
    share = trained_rows / rows
    generate = 2 * weights * (read + drawn) + 4 * width * drawn * seen
    train = share * 3 * (2 * weights * (read + drawn) + 4 * width * drawn * seen)
    return {
        "generate_gflop": generate / 1e9,
        "train_gflop": train / 1e9,
        "generate_gbytes": decode_steps * (stored + rows * held * seen) / 1e9,
    }


def floors(
    needed: dict[str, float], can: dict[str, float], one_token: float, decode_steps: int
) -> dict[str, float]:
    """Least seconds of sampling and of training on this device, and of the calls alone that sampling makes."""
    by_arithmetic = needed["generate_gflop"] / can["matmul_gflops"]
    by_memory = needed["generate_gbytes"] / can["copy_gbytes_per_second"]
    return {
        "generate_seconds": max(by_arithmetic, by_memory),
        "generate_calls_seconds": one_token * decode_steps,
        "train_seconds": needed["train_gflop"] / can["matmul_gflops"],
    }


def _best(function: Callable[[], Any], device: torch.device, times: int = 12) -> float:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return min(found)
