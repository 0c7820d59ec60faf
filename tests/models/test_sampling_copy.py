"""The copy that samples: the weights as they are now, rounded, whatever wraps the model that is trained."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.models import saving
from hybrid_rl.models.policy import Policy
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.models.sampling_copy import SamplingCopy
from tests.fakes import tiny
from tests.training.test_trainer import build

pytestmark = pytest.mark.slow
GREEDY = SamplingParams(0.0, 1.0, 0, 6)
REQUEST = Request([example.prompt_ids for example in tiny.examples(5)])


def test_it_has_the_weights_of_the_moment_rounded_and_tables_as_they_are() -> None:
    model, copied = tiny.model(), SamplingCopy(torch.bfloat16)
    for _ in range(2):
        found = copied.of(model)
        for name, weight in model.named_parameters():
            assert torch.equal(found.get_parameter(name), weight.bfloat16())
        with torch.no_grad():
            model.lm_head.weight.add_(1.0)
    assert {buffer.dtype for buffer in found.buffers()} == {torch.float32}
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert found.config._attn_implementation == model.config._attn_implementation


def test_it_draws_no_random_numbers() -> None:
    model, state = tiny.model(), torch.get_rng_state()
    SamplingCopy(torch.bfloat16).of(model)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_policy_answers_as_a_model_in_that_dtype_does(tmp_path: Path) -> None:
    sharp, vocabulary = tiny.sharp_model(), tiny.vocabulary()
    settings = tiny.settings(tmp_path, rollout__dtype="bfloat16")
    found = Policy(sharp, vocabulary, settings).sample(REQUEST, GREEDY)
    saving.save(sharp, tiny.tokenizer(), tmp_path / "saved")
    halved = Policy(tiny.model(), vocabulary, tiny.settings(tmp_path, model__dtype="bfloat16"))
    assert found == halved.saved_in(tmp_path / "saved").sample(REQUEST, GREEDY)


def test_in_training_the_gap_to_the_sampler_is_logged(tmp_path: Path) -> None:
    trainer, recorder = build(
        tmp_path, rollout__dtype="bfloat16", train__rl__importance_cap=2.0, train__steps=2
    )
    trainer.train()
    means, highest = recorder.column("sampler_gap_mean"), recorder.column("sampler_gap_p99")
    assert all(0 < mean < 0.05 for mean in means)
    assert all(mean < high < 0.2 for mean, high in zip(means, highest, strict=True))


def test_without_a_copy_there_is_no_word_of_a_gap(tmp_path: Path) -> None:
    trainer, recorder = build(tmp_path, train__steps=1)
    trainer.train()
    assert not any(key.startswith("sampler_gap") for line in recorder.metrics for key in line)
