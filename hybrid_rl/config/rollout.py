"""Types and limits of every setting; the values live in conf/. Loads no torch.

`loading.load` turns what Hydra composed into one frozen `Settings`; `rules` joins settings of different groups.
"""

from typing import Literal

from pydantic import Field

from hybrid_rl.types import Section


class RolloutSettings(Section):
    name: str
    engine: Literal["transformers", "vllm_colocate", "vllm_server"]
    """What generates, in training and in its evaluations. vllm_colocate: an engine on each GPU that trains.
    vllm_server: a server that you start on other GPUs."""
    seeded: bool
    """With vLLM: a seed for each completion, which repeats a run up to the rounding of its kernels. False is faster
    where many are drawn at a time."""
    timeout_seconds: float = Field(gt=0)
    """With vLLM: wall clock of one start, weight sync or generation, after which the run ends with the cause."""
    gpu_memory: float = Field(gt=0, lt=1)
    """With vllm_colocate: share of each GPU's memory that vLLM takes for its weights and cache."""
    host: str
    port: int = Field(ge=1, le=65535)
    """Of the server's HTTP interface."""
    group_port: int = Field(ge=1, le=65535)
    """On the machine of rank 0, for the weights over NCCL."""
