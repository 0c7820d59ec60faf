"""Patches with which ranks have vLLM's engine on a CPU, and say whether it answers as transformers does."""

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from trl.generation import vllm_client, vllm_generation

from hybrid_rl.models.policy import TrainedPolicy
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.types import Ids
from tests.vllm import runs


def compare(patch: pytest.MonkeyPatch, directory: Path) -> None:
    """After each draw both engines answer the same request without temperature; the random state stays as it was.

    What they say goes into compared_RANK.jsonl in `directory`.
    """
    drawn = TrainedPolicy.sample

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
        told = directory / f"compared_{os.environ.get('RANK', '0')}.jsonl"
        with told.open("a") as file:
            file.write(json.dumps(line) + "\n")
        return found

    patch.setattr(TrainedPolicy, "sample", sample)


def start_at_once(patch: pytest.MonkeyPatch) -> None:
    """Without compiling, which takes minutes."""
    engine: Any = vllm_generation
    patch.setattr(engine, "LLM", partial(engine.LLM, enforce_eager=True))


def connect(patch: pytest.MonkeyPatch) -> None:
    """Let TRL's client send weights, which it refuses to do from a CPU; `cpu_build` has what it sends them by."""
    plain = vllm_client.VLLMClient.init_communicator
    patch.setattr(
        vllm_client.VLLMClient, "init_communicator", lambda self, device: plain(self, "cuda")
    )
