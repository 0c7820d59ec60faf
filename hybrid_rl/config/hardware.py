"""Types and limits of `hardware`: devices, processes, nodes, and what a device holds at a time."""

from typing import Any, Literal

from pydantic import Field

from hybrid_rl.types import Section


class HardwareSettings(Section):
    """The devices and processes of a run, and how its work is cut for them."""

    name: str
    device: Literal["cpu", "cuda"]
    """The kind of device that computes."""
    processes: int = Field(ge=1)
    """Processes on each node, one per device."""
    nodes: int = Field(ge=1)
    """How many machines take part; each is given the same command, and all see the same run_dir."""
    node_rank: int = Field(ge=0)
    """The number of this node; 0 is the node of `rendezvous`."""
    rendezvous: str | None = Field(pattern=r"^[^:\s]+:\d+$")
    """The address host:port of node 0, where the nodes meet; null: there is one node."""
    micro_batch: int | None = Field(ge=1)
    """Sequences per device and forward pass; null: the whole share of a device at once."""
    generation_batch: int = Field(ge=1)
    """Sequences per call of generate on one device."""
    precision: Literal["float32", "bfloat16"] | None
    """The type in which forward and backward pass compute; weights keep model.dtype. null: bfloat16 on a GPU,
    float32 on a CPU."""
    activation_checkpointing: bool
    """Whether activations are computed again in the backward pass, which takes less memory and more time."""
    threads: int | None = Field(ge=1)
    """CPU threads per process; null: one for models under 10 M parameters on a CPU, else torch's own choice."""
    collective_timeout_seconds: float = Field(gt=0)
    """Seconds that a rank waits for another one before the run is ended."""
    grace_seconds: float = Field(gt=0)
    """Seconds from SIGTERM or SIGINT to SIGKILL, in which the optimizer step is ended and saved."""
    deepspeed: dict[str, Any] | None
    """A configuration of DeepSpeed, passed on as it is; null: no DeepSpeed."""

    @property
    def world_size(self) -> int:
        """Processes on all nodes."""
        return self.processes * self.nodes

    @property
    def in_bfloat16(self) -> bool:
        """Whether forward and backward pass compute in bfloat16, by `precision` or the default of the device."""
        return (self.precision or ("float32" if self.device == "cpu" else "bfloat16")) == "bfloat16"
