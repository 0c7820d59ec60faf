"""Evaluations round as training does, whenever they are made."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.models import policy
from hybrid_rl.models.sampling import Request, SamplingParams
from tests.fakes import tiny
from tests.training.test_trainer import build, weights

pytestmark = pytest.mark.slow

PROMPTS = [example.prompt_ids for example in tiny.examples(100)] * 4
HOW = SamplingParams(1.0, 1.0, 0, 8)


def answers(sample: Any) -> Any:
    torch.manual_seed(0)
    return sample(Request(PROMPTS), HOW)


@pytest.mark.parametrize("own_decoding", [True, False])
def test_a_model_that_learned_nothing_answers_as_before(tmp_path: Path, own_decoding: bool) -> None:
    """Before and after training, and loaded by itself; what float32 answers is something else."""
    trainer, _ = build(
        tmp_path,
        "sft",
        hardware__precision="bfloat16",
        train__sft__learning_rate=1e-30,
        train__steps=1,
        speed__own_decoding=own_decoding,
    )
    trainer.model.load_state_dict(tiny.sharp_model().state_dict())
    start = weights(trainer)
    before = answers(trainer.sample)
    trainer.train()
    assert torch.allclose(weights(trainer), start, rtol=0, atol=1e-20)
    assert answers(trainer.sample) == before
    hardware, speed = trainer.settings.hardware, trainer.settings.speed
    loaded = tiny.sharp_model()

    def alone(request: Any, params: SamplingParams, precision: str = "bfloat16") -> Any:
        given = hardware.model_copy(update={"precision": precision})
        return policy.sample_alone(loaded, [1], 0, given, speed, request, params)

    assert answers(alone) == before
    assert answers(lambda request, params: alone(request, params, "float32")) != before


def test_deepspeed_rounds_the_weights(tmp_path: Path) -> None:
    """They are back as they were afterwards."""
    pytest.importorskip("deepspeed")
    settings = tiny.settings(
        tmp_path,
        hardware="zero2",
        hardware__device="cpu",
        hardware__micro_batch=4,
        hardware__precision="bfloat16",
    )
    model, rounded = tiny.model(), tiny.model().to(torch.bfloat16)
    start = [weight.clone() for weight in model.parameters()]

    def alone(given: Any, hardware: Any) -> Any:
        params = SamplingParams(0.0, 1.0, 0, 8)
        return policy.sample_alone(
            given, [1], 0, hardware, settings.speed, Request(PROMPTS), params
        )

    plain = settings.hardware.model_copy(update={"precision": "float32"})
    assert alone(model, settings.hardware) == alone(rounded, plain)
    assert all(map(torch.equal, model.parameters(), start))
