"""A rank that vLLM generates for on a CPU, `python -m tests.vllm.on_cpu RUN_DIR`: the worker, but for what that wants.

Every draw of the engine is made once more without temperature, by it and by transformers, and both go into
RUN_DIR/compared_RANK.jsonl.
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import save_file
from trl.generation import vllm_client, vllm_generation

from hybrid_rl import worker
from hybrid_rl.models.policy import TrainedPolicy
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.types import Ids
from tests.vllm import runs


def keep_weights() -> None:
    """Let weights be loaded anew: those that the CPU build has packed for its kernels it has forgotten."""
    from vllm.model_executor.layers import utils

    def plain(layer: torch.nn.Module, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = plain


def compare(directory: Path) -> None:
    """After each draw, both engines answer the same request greedily; the random state stays as it was."""
    drawn = TrainedPolicy.sample
    told = directory / f"compared_{os.environ.get('RANK', '0')}.jsonl"

    def sample(self: TrainedPolicy, request: Request, params: SamplingParams) -> list[Ids]:
        if os.environ.get(runs.KILLED_AT) == str(self._trainer.state.global_step):
            os.kill(os.getpid(), signal.SIGKILL)
        found = drawn(self, request, params)
        if self.engine is None:
            return found
        greedy = SamplingParams(0.0, 1.0, 0, params.max_completion_tokens)
        plain = Request(request.prompts, request.limits)
        engine = self.engine
        with torch.random.fork_rng([]):
            ours = drawn(self, plain, greedy)
            self.engine = None
            theirs = drawn(self, plain, greedy)
            self.engine = engine
        line: dict[str, Any] = {
            "step": self._trainer.state.global_step,
            "rows": len(found),
            "tokens": sum(map(len, ours)),
            "differ": sum(a != b for a, b in zip(ours, theirs, strict=True)),
        }
        with told.open("a") as file:
            file.write(json.dumps(line) + "\n")
        return found

    TrainedPolicy.sample = sample  # type: ignore[method-assign]


def send_files() -> None:
    """Let TRL's client go its way, with a file in the place of NCCL, to which it would join on a GPU alone."""
    connect = vllm_client.VLLMClient.init_communicator
    file = Path(os.environ[runs.WEIGHTS])

    def send(iterator: Any, group: Any, src: int, post_iter_func: Any) -> None:
        unfinished = file.with_suffix(".unfinished")
        weights = {item[0]: post_iter_func(item).contiguous() for item in iterator}
        save_file(weights, unfinished)
        unfinished.rename(file)

    client: Any = vllm_client
    client.open_trainer_endpoint = lambda info: SimpleNamespace(group=SimpleNamespace())
    client.packed_nccl_broadcast_producer = send
    client.VLLMClient.init_communicator = lambda self, device: connect(self, "cuda")


def main() -> None:
    keep_weights()
    if runs.WEIGHTS in os.environ:
        send_files()
    compare(Path(sys.argv[1]))
    engine: Any = vllm_generation
    engine.LLM = partial(engine.LLM, enforce_eager=True)
    worker.main()


if __name__ == "__main__":
    main()
