"""Evaluations round as training does, whenever they are made."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.models.policy import Policy
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
    before = answers(trainer.policy.sample)
    trainer.train()
    assert torch.allclose(weights(trainer), start, rtol=0, atol=1e-20)
    assert answers(trainer.policy.sample) == before

    def alone(precision: str) -> Policy:
        hardware = trainer.settings.hardware.model_copy(update={"precision": precision})
        settings = trainer.settings.model_copy(update={"hardware": hardware})
        return Policy(tiny.sharp_model(), tiny.vocabulary(), settings)

    assert answers(alone("bfloat16").sample) == before
    assert answers(alone("float32").sample) != before


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
        rounding = settings.model_copy(update={"hardware": hardware})
        policy = Policy(given, tiny.vocabulary(), rounding)
        return policy.sample(Request(PROMPTS), SamplingParams(0.0, 1.0, 0, 8))

    plain = settings.hardware.model_copy(update={"precision": "float32"})
    assert alone(model, settings.hardware) == alone(rounded, plain)
    assert all(map(torch.equal, model.parameters(), start))
