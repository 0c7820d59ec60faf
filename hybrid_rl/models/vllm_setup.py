"""What vLLM is started with: its dtype, its weights, and the state of the process that it is to leave as it was.

`vllm` asks it for completions.
"""

import random
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from trl.generation import vllm_generation

from hybrid_rl.config.model import ModelSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.models import loading


def dtype_of(settings: Settings) -> str:
    """The dtype that the engine is to compute in: that of the settings, or else the one in which training computes."""
    computes = "bfloat16" if settings.hardware.in_bfloat16 else settings.model.dtype
    return settings.rollout.dtype or computes


def served(model: ModelSettings) -> str:
    """What a server is to be started with, quoted for a shell: a directory or a hub id.

    For a GGUF file it says which directory to make: the weights that are sent are whole, the file's are quantised.
    """
    if model.gguf_file is not None:
        return shlex.quote(f"DIRECTORY WITH {model.gguf_file} AS SAFETENSORS")
    return shlex.quote(loading.location(model))


@contextmanager
def engine_in(dtype: str) -> Iterator[None]:
    """TRL gives its engine no dtype, and vLLM would choose bfloat16 for float32 weights: within, it is given this."""
    engine: Any = vllm_generation  # it has vLLM's names where vLLM is installed
    plain = engine.LLM
    engine.LLM = partial(plain, dtype=dtype)
    try:
        yield
    finally:
        engine.LLM = plain


def send_copies(client: Any) -> None:
    """Lets TRL's client send copies of the weights, which merged adapters need.

    It packs tensors when there are no more of them or a gigabyte has come together. TRL merges adapters into the
    weights in place, and after the last tensor it has taken them out: the server would get weights without them.
    """
    send = client.update_named_params

    def copied(
        metadata: list[tuple[str, str, list[int]]], weights: Iterable[tuple[str, torch.Tensor]]
    ) -> None:
        send(metadata, ((name, weight.clone()) for name, weight in weights))

    client.update_named_params = copied


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """Puts the random state of this process back: vLLM seeds all of it with the rank, whatever the run's seed is."""
    python, numbers = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
    random.setstate(python)
    np.random.set_state(numbers)
