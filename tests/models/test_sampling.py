from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.models.sampling import SamplingParams, cut_after_eos, generate
from tests.fakes import tiny

pytestmark = pytest.mark.slow
GREEDY = SamplingParams(temperature=0, top_p=1.0, top_k=0, max_completion_tokens=6)
SAMPLED = SamplingParams(temperature=1.0, top_p=1.0, top_k=0, max_completion_tokens=6)


def prompts() -> list[tuple[int, ...]]:
    return [tuple(range(2, 2 + length)) for length in (5, 1, 3, 8, 2)]


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
    assert generate(model, prompts(), GREEDY, [1], 0, rows_per_call) == expected
    assert len(set(expected)) > 1


@pytest.mark.parametrize("rows_per_call", [1, 2, 64])
@pytest.mark.parametrize("own", [True, False])
def test_every_prompt_may_have_a_limit_of_its_own(own: bool, rows_per_call: int) -> None:
    model = tiny.model()
    limits = (2, 6, 1, 4, 3)
    how = replace(GREEDY, limits=limits)
    speed = SpeedSettings(**dict.fromkeys(SpeedSettings.model_fields, own))
    found = generate(model, prompts(), how, [99], 0, rows_per_call, speed)
    whole = generate(model, prompts(), GREEDY, [99], 0, rows_per_call)
    assert found == [ids[:most] for ids, most in zip(whole, limits, strict=True)]
    assert [len(ids) for ids in found] == list(limits)


def test_a_completion_ends_with_its_first_end_token() -> None:
    assert cut_after_eos([5, 1, 0, 0], [1]) == (5, 1)
    assert cut_after_eos([5, 7, 9, 4], [1, 9]) == (5, 7, 9)
    assert cut_after_eos([5, 6], [1]) == (5, 6)


def test_the_models_own_generation_settings_do_not_bend_the_policy() -> None:
    model = tiny.model()
    torch.manual_seed(0)
    expected = generate(model, prompts(), SAMPLED, [1], 0, 64)
    model.generation_config.update(repetition_penalty=5.0, top_k=1, do_sample=False)
    torch.manual_seed(0)
    assert generate(model, prompts(), SAMPLED, [1], 0, 64) == expected
    assert model.generation_config.repetition_penalty == 5.0


def test_training_mode_is_restored() -> None:
    model = tiny.model()
    model.train()
    generate(model, prompts(), GREEDY, [1], 0, 64)
    assert model.training
