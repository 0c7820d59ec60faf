"""Types and limits of `rollout`: which engine generates solutions, in training and in its evaluations."""

from typing import Literal

from pydantic import Field

from hybrid_rl.types import Section


class RolloutSettings(Section):
    """The engine that generates, and where it is found."""

    name: str
    engine: Literal["transformers", "vllm_colocate", "vllm_server"]
    """The engine. vllm_colocate: vLLM on each GPU that trains. vllm_server: a server that you start on other GPUs."""
    dtype: Literal["float32", "bfloat16", "float16"] | None
    """The dtype that samples, in training and evaluations. With transformers: bfloat16 for a copy of the weights on a
    CPU that computes in it (AVX512-BF16, AMX; slower on others); null: the weights themselves. With vLLM: that of its
    engine; null: the one in which training computes (hardware.precision). A server that has another is refused."""
    seeded: bool
    """Whether vLLM is given a seed for each completion, which repeats a run up to the rounding of its kernels. False is
    faster where many are drawn at a time."""
    timeout_seconds: float = Field(gt=0)
    """Seconds that one start, weight sync or generation of vLLM may take; then the run ends with the cause."""
    gpu_memory: float = Field(gt=0, lt=1)
    """The share of each GPU's memory that vLLM takes for its weights and cache, with vllm_colocate."""
    host: str
    """The machine of the vLLM server."""
    port: int = Field(ge=1, le=65535)
    """The port of the server's HTTP interface."""
    group_port: int = Field(ge=1, le=65535)
    """The port on the machine of rank 0 over which the server gets the weights by NCCL."""

    @property
    def copy_dtype(self) -> str | None:
        """The dtype of the copy of the weights with which transformers samples; None: there is no copy."""
        return self.dtype if self.engine == "transformers" else None
