"""A saved model is one for plain transformers: it answers, stops and decodes as the one that was trained."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForCausalLM, AutoTokenizer

from hybrid_rl.data.generators import ledger
from hybrid_rl.models import loading, saving
from hybrid_rl.tools import make_tiny
from tests.models.test_loading import greedy, settings

pytestmark = pytest.mark.slow


def test_a_saved_model_answers_the_same_in_plain_transformers(tmp_path: Path) -> None:
    tokenizer, model = loading.load_tokenizer(settings()), loading.load_model(settings())
    saving.save(model, tokenizer, tmp_path / "model")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    plain_tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    question = "5 0 | a -3 b +2 c -2 d +1"
    assert greedy(plain, plain_tokenizer, question) == greedy(model, tokenizer, question)
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_a_saved_model_stops_and_decodes_as_it_did_here(tmp_path: Path) -> None:
    """Plain generate obeys the saved defaults: all tokens that ended a completion, and nothing of the makers'."""
    tokenizer, model = loading.load_tokenizer(settings()), loading.load_model(settings())
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.temperature = (
        0.7  # without do_sample transformers would refuse to save it
    )
    ends = tokenizer.convert_tokens_to_ids(["<end>", "#"])
    saving.save(model, tokenizer, tmp_path / "model", eos_ids=ends)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert plain.generation_config.eos_token_id == ends
    prompt = make_tiny.prompt_ids(ledger.Problem(98, (3, 2, 1)), tokenizer)
    found = plain.generate(torch.tensor([prompt]), max_new_tokens=64)[0, len(prompt) :]
    assert tokenizer.decode(found) == "a +3 0 1 b +2 0 3 c +1 0 4 #"
    assert model.generation_config.repetition_penalty == 5.0


@pytest.mark.parametrize("sharded", [False, True])
def test_lora_is_merged_on_saving(tmp_path: Path, sharded: bool) -> None:
    pytest.importorskip("peft")
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "target_modules": ["q_proj", "v_proj"]}
    tokenizer, model = loading.load_tokenizer(settings()), loading.load_model(settings(lora=lora))
    trainable = [n for n, p in model.named_parameters() if p.requires_grad]
    assert trainable
    assert all("lora_" in name for name in trainable)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    ids = torch.tensor([make_tiny.prompt_ids(ledger.Problem(5, (1, 2)), tokenizer)])
    base = loading.load_model(settings())(ids).logits
    expected = model(ids).logits
    weights = dict(model.state_dict()) if sharded else None
    if sharded:  # the model that is saved holds nothing of its own
        model = loading.load_model(settings(lora=lora))
        for parameter in model.parameters():
            parameter.data.zero_()
    saving.save(model, tokenizer, tmp_path / "model", weights)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "model")(ids).logits
    assert torch.allclose(merged, expected, atol=1e-4)
    assert not torch.allclose(merged, base, atol=1e-2)
    assert any("lora_" in name for name, _ in model.named_parameters())
