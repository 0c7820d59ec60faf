"""What is known to go wrong on some hardware is refused."""

from importlib import metadata

import pytest

from hybrid_rl.errors import SettingsError
from tests.conftest import Load


@pytest.mark.parametrize(
    ("version", "stage", "offload", "refused"),
    [
        ("0.15.1", 2, "cpu", False),
        ("0.15.2", 2, "cpu", True),
        ("0.18.9", 1, "cpu", True),
        ("0.18.9+abc123", 2, "cpu", True),
        ("0.18.9.post1", 2, "cpu", True),
        ("0.19.0", 2, "cpu", False),
        ("0.19.0+abc123", 2, "cpu", False),
        ("0.18.9", 3, "cpu", False),
        ("0.18.9", 2, "none", False),
    ],
)
def test_a_deepspeed_that_loses_gradients_is_refused(
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    stage: int,
    offload: str,
    refused: bool,
) -> None:
    installed = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: version if name == "deepspeed" else installed(name)
    )
    zero = f"{{stage: {stage}, offload_optimizer: {{device: {offload}}}}}"
    try:
        load("hardware=zero2", f"hardware.deepspeed={{zero_optimization: {zero}}}")
    except SettingsError as error:
        told = str(error)
    else:
        told = ""
    assert ("loses gradients under ZeRO-1/2 with CPU offload" in told) is refused
    assert (f"{version} is installed" in told) is refused


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (
            ["hardware.nodes=2", "hardware.node_rank=2", "hardware.rendezvous='a:1'"],
            "hardware.node_rank = 2: must be below hardware.nodes = 2; give each node its own, from 0",
        ),
        (
            ["hardware.nodes=2"],
            "hardware.nodes = 2: they need a place to meet;"
            " give hardware.rendezvous=host:port, a free port of node 0",
        ),
        (
            ["hardware=zero3", "eval.best=true"],
            "eval.best = true: sharded weights (ZeRO-3) cannot be swapped for others in the run;"
            " set eval.best=false, or hardware=zero2",
        ),
        (
            [
                *("hardware=zero3_offload", "method=relift", "method.moments=by_kind"),
                "hardware.deepspeed.zero_optimization.offload_optimizer.device=nvme",
            ],
            "method.moments = by_kind: where DeepSpeed keeps Adam's moments on NVMe, they cannot be"
            " exchanged; set method.moments=shared, or"
            " hardware.deepspeed.zero_optimization.offload_optimizer.device=cpu",
        ),
        *(
            (
                ["hardware=zero3_offload", f"+hardware.deepspeed.zero_optimization.{way}"],
                f"hardware.deepspeed.zero_optimization.{way.replace('=', ' = ')}: with it other"
                " optimizers than the trainer's own step the weights, which"
                " train.step_on_zero_gradient, train.update_norm and method.moments do not reach;"
                " leave it out",
            )
            for way in ("offload_optimizer.ratio=0.5", "offload_optimizer.super_offload=True")
        ),
    ],
)
def test_nodes_and_shards_are_refused_with_a_way_out(
    load: Load, typed: list[str], message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(*typed)
    assert message in str(refused.value).splitlines()
