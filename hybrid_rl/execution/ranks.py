"""The processes of a run as one group, with a time limit on every collective; DeepSpeed builds on that group.

The launcher says who is who, in the variables that torchrun would set too.
"""

import os
from datetime import timedelta

import torch
from accelerate import PartialState

from hybrid_rl.config.hardware import HardwareSettings


def join(hardware: HardwareSettings) -> None:
    """Meet the other ranks; with DeepSpeed before the model is loaded, for ZeRO-3 cuts it while it loads."""
    backend = "gloo" if hardware.device == "cpu" else "nccl"
    if "RANK" in os.environ:
        _make_group(hardware, backend)
    if hardware.deepspeed is not None:
        _start_deepspeed(hardware, backend)
    PartialState(cpu=hardware.device == "cpu")


def leave() -> None:
    """Leave the group; called by a run that ended well."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _make_group(hardware: HardwareSettings, backend: str) -> None:
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    timeout = timedelta(seconds=hardware.collective_timeout_seconds)
    # The descriptor on which rank 0 is to listen; the launcher holds its port until then.
    listening = os.environ.get("HYBRID_RL_LISTENING")
    store = torch.distributed.TCPStore(  # type: ignore[attr-defined] # exported, but not by name
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        world_size,
        is_master=rank == 0,
        timeout=timeout,
        master_listen_fd=int(listening) if listening and rank == 0 else None,
    )
    if hardware.device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group(
        backend, store=store, rank=rank, world_size=world_size, timeout=timeout
    )


def read_weights_only() -> None:
    """Make torch refuse, in this process, files that hold more than tensors, plain values and what DeepSpeed saves.

    DeepSpeed asks torch to unpickle its checkpoints whole, which runs whatever code they hold.
    """
    from deepspeed.runtime.fp16 import loss_scaler  # noqa: PLC0415 - it takes seconds to load
    from deepspeed.runtime.zero.config import ZeroStageEnum  # noqa: PLC0415
    from deepspeed.utils.tensor_fragment import fragment_address  # noqa: PLC0415

    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"  # torch reads it at every load
    torch.serialization.add_safe_globals(
        [
            loss_scaler.LossScaler,
            loss_scaler.DynamicLossScaler,
            loss_scaler.LossScaleProfile,
            ZeroStageEnum,
            fragment_address,
        ]
    )


def _start_deepspeed(hardware: HardwareSettings, backend: str) -> None:
    import deepspeed  # noqa: PLC0415 - only where it is used: it takes seconds to load

    read_weights_only()
    if hardware.device == "cpu":
        # Its all-reduce through shared memory would be compiled for minutes; gloo gives the same numbers.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(backend, auto_mpi_discovery=False, verbose=False)
