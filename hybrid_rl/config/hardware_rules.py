"""Rules of hardware: what a device, several nodes and DeepSpeed cannot do, and what is known to go wrong on them.

The rules load neither torch nor DeepSpeed; versions are read from what is installed.
"""

from collections.abc import Iterator
from importlib import metadata
from typing import Any

from packaging.version import Version

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.methods.base import MixedSettings

# What hybrid_rl decides; DeepSpeed's own keys for them would win silently.
_DEEPSPEED_OWNERS = {
    "optimizer": "train.rl.learning_rate and train.weight_decay",
    "scheduler": "train.rl.schedule",
    "train_batch_size": "train.prompts_per_step",
    "train_micro_batch_size_per_gpu": "hardware.micro_batch",
    "gradient_accumulation_steps": "hardware.micro_batch",
    "gradient_clipping": "train.max_grad_norm",
}
# Gradients of all micro-batches but the last were lost, first found in audits of published results.
_LOSES_GRADIENTS = (Version("0.15.2"), Version("0.18.9"))


def problems(settings: Settings) -> Iterator[str]:
    """Every broken rule, as a line `setting = value: rule; remedy`."""
    hardware, model = settings.hardware, settings.model
    if hardware.device == "cpu" and model.attention == "flash_attention_2":
        yield "model.attention = flash_attention_2: needs a GPU; choose hardware=gpu, or model.attention=sdpa"
    yield from _nodes(hardware)
    if hardware.deepspeed is None:
        return
    yield from _known_bad(hardware.deepspeed)
    yield from _steps_elsewhere(settings, hardware.deepspeed.get("zero_optimization") or {})
    for key, owner in _DEEPSPEED_OWNERS.items():
        value = hardware.deepspeed.get(key, "auto")
        if value != "auto":
            yield f"hardware.deepspeed.{key} = {value}: decided by {owner}; leave it out, or set it to auto"
    beyond = settings.method.beyond_deepspeed
    if beyond is not None:
        yield f"{beyond[0]}: DeepSpeed's engine cannot do that; set {beyond[1]}, or hardware.deepspeed=null"
    if settings.train.rl.beta > 0:
        yield (
            f"train.rl.beta = {settings.train.rl.beta}: a reference model is not supported under DeepSpeed;"
            " set train.rl.beta=0, or hardware.deepspeed=null"
        )
    stage = (hardware.deepspeed.get("zero_optimization") or {}).get("stage")
    measured = settings.method.needs_reference
    if stage == 3 and measured is not None:
        yield (
            f"{measured[0]}: needs a reference model, which cannot be sharded (ZeRO-3);"
            f" set {measured[1]}, or hardware=zero2"
        )
    if stage == 3 and settings.eval.best:
        yield (
            "eval.best = true: sharded weights (ZeRO-3) cannot be swapped for others in the run;"
            " set eval.best=false, or hardware=zero2"
        )
    if stage not in (1, 2, 3):
        yield (
            f"hardware.deepspeed.zero_optimization.stage = {stage}: must be 1, 2 or 3;"
            " without sharding set hardware.deepspeed=null"
        )


def known_bad(version: str, stage: int | None, offloads: bool) -> str | None:
    """Why this version of DeepSpeed must not train so; None where nothing is known against it."""
    first, last = _LOSES_GRADIENTS
    # A local build or a post-release, which Version sorts above, has the code of its release.
    if stage in (1, 2) and offloads and first.release <= Version(version).release <= last.release:
        return (
            f"DeepSpeed {first} to {last} loses gradients under ZeRO-1/2 with CPU offload and gradient accumulation,"
            f" and {version} is installed"
        )
    return None


def _known_bad(deepspeed: dict[str, Any]) -> Iterator[str]:
    zero = deepspeed.get("zero_optimization") or {}
    offload = zero.get("offload_optimizer") or {}
    try:
        version = metadata.version("deepspeed")
    except metadata.PackageNotFoundError:
        return  # said by another rule
    offloads = bool(zero.get("cpu_offload")) or offload.get("device", "none") != "none"
    reason = known_bad(version, zero.get("stage"), offloads)
    if reason is not None:
        yield (
            f"hardware.deepspeed.zero_optimization.offload_optimizer = {offload}: {reason};"
            " pip install 'deepspeed>=0.19', or leave it out"
        )


def _steps_elsewhere(settings: Settings, zero: dict[str, Any]) -> Iterator[str]:
    """Ways of DeepSpeed to step, or to keep Adam's moments, that the trainer does not see; `zero`: its settings."""
    offload = zero.get("offload_optimizer") or {}
    key = "hardware.deepspeed.zero_optimization"
    ways = {
        f"{key}.zenflow": ("zenflow" in zero, zero.get("zenflow")),
        f"{key}.offload_optimizer.super_offload": (
            bool(offload.get("super_offload")),
            offload.get("super_offload"),
        ),
        f"{key}.offload_optimizer.ratio": (offload.get("ratio", 1.0) != 1.0, offload.get("ratio")),
    }
    for name, (chosen, value) in ways.items():
        if chosen:
            yield (
                f"{name} = {value}: with it other optimizers than the trainer's own step the weights, which"
                " train.step_on_zero_gradient, train.update_norm and method.moments do not reach; leave it out"
            )
    by_kind = isinstance(settings.method, MixedSettings) and settings.method.moments == "by_kind"
    if by_kind and offload.get("device") == "nvme":
        yield (
            "method.moments = by_kind: where DeepSpeed keeps Adam's moments on NVMe, they cannot be exchanged;"
            f" set method.moments=shared, or {key}.offload_optimizer.device=cpu"
        )


def _nodes(hardware: HardwareSettings) -> Iterator[str]:
    if hardware.node_rank >= hardware.nodes:
        yield (
            f"hardware.node_rank = {hardware.node_rank}: must be below hardware.nodes = {hardware.nodes};"
            " give each node its own, from 0"
        )
    if hardware.nodes > 1 and hardware.rendezvous is None:
        yield (
            f"hardware.nodes = {hardware.nodes}: they need a place to meet;"
            " give hardware.rendezvous=host:port, a free port of node 0"
        )
