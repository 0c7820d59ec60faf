"""Our decode loop against transformers' generate: the same tokens from the same random numbers."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import Qwen2Config, Qwen2ForCausalLM

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.models import decoding
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.generation import generate
from hybrid_rl.models.sampling import Request, SamplingParams
from tests.fakes import tiny

pytestmark = pytest.mark.slow

DRAWN = SamplingParams(temperature=1.0, top_p=1.0, top_k=0, max_completion_tokens=24)


def speed(**changes: bool) -> SpeedSettings:
    return SpeedSettings(**dict.fromkeys(SpeedSettings.model_fields, True) | changes)


def prompts() -> list[tuple[int, ...]]:
    """Groups of four rows, of unequal lengths, one of them given twice, apart."""
    lengths = (5, 1, 3, 8, 3)
    return [tuple(range(2, 2 + length)) for length in lengths for _ in range(4)]


def watched(model: Any) -> list[tuple[int, ...]]:
    """Shapes of the token ids that the model will be given."""
    shapes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)),
        with_kwargs=True,
    )
    return shapes


def both(
    model: Any, params: SamplingParams, changed: SpeedSettings, eos: list[int], *limits: int
) -> list[Any]:
    """Completions by generate and by our loop, and the state of the random numbers after each."""
    found = []
    for setting in (None, changed):
        torch.manual_seed(3)
        request = Request(prompts(), limits or None)
        completions = generate(LanguageModel(model, eos, 0), request, params, 64, setting)
        found.append((completions, torch.get_rng_state().tolist()))
    return found


@pytest.mark.parametrize("drop_finished", [True, False])
@pytest.mark.parametrize("shared_prefill", [True, False])
@pytest.mark.parametrize(
    ("params", "limits"),
    [
        (DRAWN, ()),
        (SamplingParams(temperature=0.0, top_p=1.0, top_k=0, max_completion_tokens=24), ()),
        (SamplingParams(temperature=0.7, top_p=0.9, top_k=6, max_completion_tokens=24), ()),
        (DRAWN, (24, 9, 1, 3, 2) * 4),
        (DRAWN, (5, 4) * 10),
    ],
)
def test_the_completions_are_those_of_generate(
    params: SamplingParams, limits: tuple[int, ...], shared_prefill: bool, drop_finished: bool
) -> None:
    changed = speed(shared_prefill=shared_prefill, drop_finished=drop_finished)
    reference, ours = both(tiny.sharp_model(), params, changed, [1], *limits)
    assert ours == reference
    lengths = {len(ids) for ids in reference[0]}
    assert len(lengths) > 2 or params.temperature == 0


@pytest.mark.parametrize("eos", [[1], [1, 4, 9]])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_several_end_tokens_and_other_attention(attention: str, eos: list[int]) -> None:
    model = tiny.sharp_model()
    model.set_attn_implementation(attention)
    reference, ours = both(model, DRAWN, speed(), eos)
    assert ours == reference


def test_a_row_longer_than_the_room_of_the_cache() -> None:
    params = SamplingParams(1.0, 1.0, 0, decoding.GROWTH + 20)
    model = tiny.sharp_model()
    reference, ours = both(model, params, speed(), [99])
    assert ours == reference
    assert {len(ids) for ids in ours[0]} == {decoding.GROWTH + 20}


def test_a_prompt_is_read_once_and_rows_leave_when_they_end() -> None:
    model = tiny.model()
    shapes = watched(model)
    torch.manual_seed(3)
    completions = generate(LanguageModel(model, [1], 0), Request(prompts()), DRAWN, 64, speed())
    assert shapes[0] == (4, 8)
    assert shapes[1][0] == 20
    assert shapes[-1][0] < 10
    assert all(width == 1 for _, width in shapes[1:])
    assert len(shapes) == max(map(len, completions))


def test_without_the_savings_every_row_is_read_and_stays() -> None:
    model = tiny.model()
    shapes = watched(model)
    off = speed(shared_prefill=False, drop_finished=False)
    generate(LanguageModel(model, [1], 0), Request(prompts()), DRAWN, 64, off)
    assert {rows for rows, _ in shapes} == {20}


def test_a_model_that_forgets_keys_is_left_to_generate() -> None:
    config = Qwen2Config(
        vocab_size=14,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        use_sliding_window=True,
        sliding_window=4,
        max_window_layers=1,
        eos_token_id=1,
        pad_token_id=0,
    )
    model = Qwen2ForCausalLM(config)
    assert not decoding.supports(model)
    assert decoding.supports(tiny.model())
    reference, ours = both(model, DRAWN, speed(), [1])
    assert ours == reference


@pytest.mark.parametrize("rows_per_call", [8, 64])
def test_completions_that_end_first_are_told_as_they_are(rows_per_call: int) -> None:
    told: dict[int, tuple[int, ...]] = {}
    torch.manual_seed(3)
    request = Request(prompts(), finished=told.__setitem__)
    language_model = LanguageModel(tiny.model(), [1], 1)
    found = generate(language_model, request, DRAWN, rows_per_call, speed())
    assert 0 < len(told) < len(found)
    assert told == {row: found[row] for row in told}
    if rows_per_call == 8:
        assert set(told) > set(range(4, 8))  # of prompts of one token: drawn first


@pytest.mark.parametrize(
    ("uniform", "token"),
    [(0.0, 1), (0.19, 1), (0.21, 3), (0.69, 3), (0.71, 4), (1 - 2**-24, 4)],
)
def test_a_uniform_number_finds_its_token_and_never_one_of_no_probability(
    uniform: float, token: int
) -> None:
    probabilities = torch.tensor([[0.0, 0.2, 0.0, 0.5, 0.3, 0.0]])
    assert decoding._by_sum(probabilities, torch.tensor([uniform])).tolist() == [token]


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("params", [DRAWN, SamplingParams(0.7, 1.0, 4, 24)])
def test_both_ways_to_draw_have_the_probabilities_of_the_model(
    params: SamplingParams, single: bool
) -> None:
    rows, logits = 40_000, torch.tensor([0.0, -1.0, 2.0, 1.0, -3.0, 0.5])
    expected = decoding.warpers(params)(None, logits[None]).softmax(-1)[0]  # type: ignore[misc,arg-type]
    torch.manual_seed(0)
    every = torch.arange(rows)
    bend = decoding.warpers(params)
    drawn = decoding._choose(logits.expand(rows, -1), bend, every, rows, single)
    counts = torch.bincount(drawn, minlength=6).double()
    possible = expected > 0
    assert counts[~possible].sum() == 0
    # Pearson's chi-squared with at most 5 degrees of freedom is above 20.5 once in a thousand times.
    terms = (counts - rows * expected)[possible] ** 2 / (rows * expected[possible])
    assert float(terms.sum()) < 20.5


@pytest.mark.parametrize("params", [DRAWN, SamplingParams(0.7, 0.9, 6, 24)])
def test_a_large_vocabulary_is_drawn_from_alike_whether_rows_leave_or_stay(
    params: SamplingParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "LARGE_VOCABULARY", 2)
    noisy, single = both(tiny.sharp_model(), params, speed(), [1])
    _, staying = both(tiny.sharp_model(), params, speed(drop_finished=False), [1])
    assert single == staying
    assert single[0] != noisy[0]
    _, as_before = both(tiny.sharp_model(), params, speed(single_uniform=False), [1])
    assert as_before == noisy


@pytest.mark.parametrize("rows_per_call", [8, 64])
@pytest.mark.parametrize("params", [DRAWN, SamplingParams(0.7, 0.9, 6, 24)])
def test_log_probabilities_are_told_at_the_temperature_alone(
    params: SamplingParams, rows_per_call: int
) -> None:
    told: dict[int, Any] = {}
    model = tiny.model()
    torch.manual_seed(3)
    request = Request(prompts(), scored=told.__setitem__)
    found = generate(LanguageModel(model, [1], 0), request, params, rows_per_call, speed())
    for row, (prompt, ids) in enumerate(zip(prompts(), found, strict=True)):
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
        chosen = (logits / params.temperature).log_softmax(-1)[range(len(ids)), list(ids)]
        assert told[row][: len(ids)] == pytest.approx(chosen.tolist(), abs=1e-4)
