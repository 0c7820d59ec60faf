"""Completions of a model on this machine, by our loop and by transformers, one by one and in calls."""

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.generation import generate
from hybrid_rl.models.sampling import Request, SamplingParams
from tests.fakes import tiny

pytestmark = pytest.mark.slow
GREEDY = SamplingParams(temperature=0, top_p=1.0, top_k=0, max_completion_tokens=6)
SAMPLED = SamplingParams(temperature=1.0, top_p=1.0, top_k=0, max_completion_tokens=6)


def prompts() -> list[tuple[int, ...]]:
    return [tuple(range(2, 2 + length)) for length in (5, 1, 3, 8, 2)]


def request(*limits: int) -> Request:
    return Request(prompts(), limits or None)


def by_hand(model: torch.nn.Module, prompt: tuple[int, ...]) -> tuple[int, ...]:
    """Greedy decoding without cache, padding or batch."""
    ids = list(prompt)
    for _ in range(GREEDY.max_completion_tokens):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == 1:
            break
    return tuple(ids[len(prompt) :])


@pytest.mark.parametrize("rows_per_call", [1, 2, 64])
def test_greedy_rows_are_as_if_each_were_alone(rows_per_call: int) -> None:
    model = tiny.model()
    expected = [by_hand(model, prompt) for prompt in prompts()]
    assert generate(LanguageModel(model, [1], 0), request(), GREEDY, rows_per_call) == expected
    assert len(set(expected)) > 1


@pytest.mark.parametrize("rows_per_call", [1, 2, 64])
@pytest.mark.parametrize("own", [True, False])
def test_every_prompt_may_have_a_limit_of_its_own(own: bool, rows_per_call: int) -> None:
    model = tiny.model()
    limits = (2, 6, 1, 4, 3)
    speed = SpeedSettings(**dict.fromkeys(SpeedSettings.model_fields, own))
    language_model = LanguageModel(model, [99], 0)
    found = generate(language_model, request(*limits), GREEDY, rows_per_call, speed)
    whole = generate(language_model, request(), GREEDY, rows_per_call)
    assert found == [ids[:most] for ids, most in zip(whole, limits, strict=True)]
    assert [len(ids) for ids in found] == list(limits)


def test_the_models_own_generation_settings_do_not_bend_the_policy() -> None:
    model = tiny.model()
    torch.manual_seed(0)
    expected = generate(LanguageModel(model, [1], 0), request(), SAMPLED, 64)
    model.generation_config.update(repetition_penalty=5.0, top_k=1, do_sample=False)
    torch.manual_seed(0)
    assert generate(LanguageModel(model, [1], 0), request(), SAMPLED, 64) == expected
    assert model.generation_config.repetition_penalty == 5.0


def test_training_mode_is_restored() -> None:
    model = tiny.model()
    model.train()
    generate(LanguageModel(model, [1], 0), request(), GREEDY, 64)
    assert model.training
