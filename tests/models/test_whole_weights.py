"""The bare model to generate with, and what is taken off it while it generates."""

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from accelerate import Accelerator

from hybrid_rl.models.whole_weights import for_generation
from tests.fakes import tiny

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("gather", "compared"), [(True, 0), (False, 1)])
def test_the_hook_that_compares_ranks_is_off_while_whole_weights_generate(
    tmp_path: Any, gather: bool, compared: int
) -> None:
    """A stand-in for the hook that DeepSpeed's ZeRO-3 leaves on the model; it is back afterwards."""
    hardware = tiny.settings(tmp_path).hardware
    model, calls = tiny.model(), []
    hook = model.register_forward_pre_hook(lambda *_: calls.append("compared"))
    offload = SimpleNamespace(fwd_pre_hook=hook, module=model)
    model.optimizer = SimpleNamespace(parameter_offload=offload)
    ids = torch.tensor([[2, 3]])
    with for_generation(model, Accelerator(cpu=True), gather, hardware) as bare:
        bare(ids)
    assert len(calls) == compared
    model(ids)
    assert len(calls) == compared + 1


def test_it_rounds_as_training_does(tmp_path: Any) -> None:
    hardware = tiny.settings(tmp_path, hardware__precision="bfloat16").hardware
    model, ids = tiny.sharp_model(), torch.tensor([[2, 3, 4]])
    exact = model(ids).logits
    with for_generation(model, Accelerator(cpu=True), True, hardware) as bare:
        rounded = bare(ids).logits
    assert 1e-4 < float((rounded - exact).abs().max() / exact.abs().max()) < 0.1
    assert torch.equal(model(ids).logits, exact)
