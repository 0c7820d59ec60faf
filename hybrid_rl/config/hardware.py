"""Types and limits of every setting; the values live in conf/. Loads no torch.

`loading.load` turns what Hydra composed into one frozen `Settings`; `rules` joins settings of different groups.
"""

from typing import Any, Literal

from pydantic import Field

from hybrid_rl.types import Section


class HardwareSettings(Section):
    name: str
    device: Literal["cpu", "cuda"]
    processes: int = Field(ge=1)
    """On each node."""
    nodes: int = Field(ge=1)
    """Machines; each is given the same command, and all see the same run_dir."""
    node_rank: int = Field(ge=0)
    """Which of the nodes this is; 0 is the one of `rendezvous`."""
    rendezvous: str | None = Field(pattern=r"^[^:\s]+:\d+$")
    """host:port of node 0, where the nodes meet; null: one node."""
    micro_batch: int | None = Field(ge=1)
    """Sequences per device and forward pass; null: the whole share of a device at once."""
    generation_batch: int = Field(ge=1)
    """Sequences per call of generate on one device."""
    precision: Literal["float32", "bfloat16"] | None
    """Of the forward and backward pass; weights keep model.dtype. null: bfloat16 on a GPU, float32 on a CPU."""
    activation_checkpointing: bool
    threads: int | None = Field(ge=1)
    """CPU threads per process; null: one for models under 10 M parameters on a CPU, else torch's own choice."""
    collective_timeout_seconds: float = Field(gt=0)
    """How long a rank waits for another one before the run is ended."""
    grace_seconds: float = Field(gt=0)
    """From SIGTERM or SIGINT to SIGKILL: time to end the optimizer step and to save it."""
    deepspeed: dict[str, Any] | None
    """DeepSpeed configuration, passed on as it is; null: none."""

    @property
    def world_size(self) -> int:
        """Processes on all nodes."""
        return self.processes * self.nodes

    @property
    def in_bfloat16(self) -> bool:
        """What `precision` comes to."""
        return (self.precision or ("float32" if self.device == "cpu" else "bfloat16")) == "bfloat16"
