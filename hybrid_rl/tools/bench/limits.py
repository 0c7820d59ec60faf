"""The limits of this device and what a step asks of it, from which follows how far a step is from its floor.

The file knows models and devices, and nothing of trainers.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel


def ceilings(device: torch.device, compute: torch.dtype) -> dict[str, Any]:
    """The measured limits of `device`: products of matrices of dtype `compute` in GFLOP/s, and copies in memory in
    GB/s, where what is read and what is written both count."""
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
    """The seconds of a forward pass of one row and one token, without cache: nearly the cost of the calls alone."""
    ids = torch.ones(1, 1, dtype=torch.long, device=model.device)
    mixed = torch.autocast(model.device.type, compute, enabled=compute != model.dtype)
    with torch.inference_mode(), mixed:
        return _best(lambda: model(input_ids=ids, use_cache=False), model.device)


class Work(NamedTuple):
    """The amount of what one step samples and trains on."""

    prompt: float
    """Mean tokens of a prompt."""
    completion: float
    """Mean tokens of a completion."""
    prompts: float
    """Distinct prompts."""
    rows: float
    """Completions."""
    trained_share: float
    """The share of prompts and of rows that have advantages."""
    passes: float
    """Forward passes of sampling that follow each other: as many as the longest completion has tokens."""


def needs(model: PreTrainedModel, work: Work, compute: torch.dtype) -> dict[str, float]:
    """The FLOPs and bytes of one step in which each distinct prompt is read once.

    A forward pass takes 2 FLOPs per weight and token, and those of attention; with the backward pass it is three times
    that. Means stand for lengths, which only lowers the result. No token multiplies the table of embeddings, and only
    tokens that predict meet the head: the last of each prompt, and all but the last of a completion, which is not read
    at all. Every pass of sampling reads the weights, as they are stored, and the keys and values, of dtype `compute`,
    that its tokens see.
    """
    config = model.config.get_text_config()
    head_dim = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    head, body = _weights(model)
    written = work.completion - 1
    read = work.prompts * work.prompt + work.rows * written
    predicting = work.prompts + work.rows * written
    # Pairs of a token and one that it sees, itself included.
    in_prompts = work.prompts * work.prompt * (work.prompt + 1) / 2
    in_completions = work.rows * (written * work.prompt + written * (written + 1) / 2)
    width = config.num_hidden_layers * config.num_attention_heads * head_dim
    forward = 2 * body * read + 2 * head * predicting + 4 * width * (in_prompts + in_completions)
    held = 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim * compute.itemsize
    loaded = work.passes * (body + head) * model.dtype.itemsize + in_completions * held
    return {
        "generate_gflop": forward / 1e9,
        "train_gflop": work.trained_share * 3 * forward / 1e9,
        "generate_gbytes": loaded / 1e9,
    }


def _weights(model: Any) -> tuple[int, int]:
    """The number of weights of the head, and of all else that every token meets."""
    head = model.get_output_embeddings().weight
    table = model.get_input_embeddings().weight
    apart = 0 if table is head else table.numel()
    return head.numel(), sum(p.numel() for p in model.parameters()) - head.numel() - apart


def floors(
    needed: dict[str, float], can: dict[str, float], one_token: float, passes: float
) -> dict[str, float]:
    """The least seconds of sampling and of training on this device, and those of the calls of sampling alone."""
    by_arithmetic = needed["generate_gflop"] / can["matmul_gflops"]
    by_memory = needed["generate_gbytes"] / can["copy_gbytes_per_second"]
    return {
        "generate_seconds": max(by_arithmetic, by_memory),
        "generate_calls_seconds": one_token * passes,
        "train_seconds": needed["train_gflop"] / can["matmul_gflops"],
    }


def _best(function: Callable[[], Any], device: torch.device, times: int = 12) -> float:
    """The seconds of the fastest of some calls; the first ones warm caches up."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return min(found)
