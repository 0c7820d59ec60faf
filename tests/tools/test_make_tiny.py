"""The embedded base model: its tokenizer, its prompt, what it knows, and the command that makes it."""

import logging
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.config.model import ModelSettings
from hybrid_rl.data.generators import ledger
from hybrid_rl.models import loading
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.generation import generate
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.tools import make_tiny
from tests.fakes import presets

pytestmark = pytest.mark.slow
GREEDY = SamplingParams(temperature=0, top_p=1.0, top_k=0, max_completion_tokens=64)


def settings(**changes: Any) -> ModelSettings:
    return ModelSettings.model_validate(presets.option("model", "tiny") | changes)


def test_the_shipped_tokenizer_is_the_one_that_pretrain_builds() -> None:
    shipped, built = loading.load_tokenizer(settings()), make_tiny.build_tokenizer()
    assert shipped.backend_tokenizer.to_str() == built.backend_tokenizer.to_str()
    assert shipped.chat_template == built.chat_template
    assert (shipped.eos_token, shipped.pad_token) == ("<end>", "<pad>")


def test_the_tiny_prompt_is_as_it_was_pretrained() -> None:
    tokenizer = loading.load_tokenizer(settings())
    messages = [{"role": "user", "content": "2 7 | a -1 b +3"}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert tokenizer.decode(ids) == "<user> 2 7 | a -1 b +3 <assistant>"
    problem = ledger.Problem(27, (-1, 3))
    assert tuple(ids) == make_tiny.prompt_ids(problem, tokenizer)


def test_symbols_are_tokens_and_blanks_only_separate() -> None:
    tokenizer = loading.load_tokenizer(settings())
    text = "a -1 2 6\nb +3 2 9\n# 2 9"
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    symbols = ["a", "-1", "2", "6", "b", "+3", "2", "9", "#", "2", "9"]
    assert [text[start:end] for start, end in encoded["offset_mapping"]] == symbols
    decoded = tokenizer.decode(encoded["input_ids"])
    assert decoded == "a -1 2 6 b +3 2 9 # 2 9"
    assert tokenizer.encode(decoded) == encoded["input_ids"]


def test_a_whole_tiny_conversation_ends_with_the_end_mark() -> None:
    messages = [
        {"role": "user", "content": "2 7 | a -1"},
        {"role": "assistant", "content": "a -1 2 6\n# 2 6"},
    ]
    tokenizer = loading.load_tokenizer(settings())
    assert tokenizer.apply_chat_template(messages, tokenize=False) == (
        "<user> 2 7 | a -1 <assistant> a -1 2 6\n# 2 6 <end> "
    )
    ids = tokenizer.apply_chat_template(messages, return_dict=False)
    assert ids[-1] == tokenizer.eos_token_id != tokenizer.pad_token_id


def test_the_pupil_computes_right_once_it_has_misread() -> None:
    """Additions only, so nothing can be misread: the shipped model solves them."""
    tokenizer, model = loading.load_tokenizer(settings()), loading.load_model(settings())
    prompt = make_tiny.prompt_ids(ledger.Problem(98, (3, 2, 1)), tokenizer)
    asked = LanguageModel(model, [tokenizer.eos_token_id], tokenizer.pad_token_id)
    [completion] = generate(asked, Request([prompt]), GREEDY, 8)
    assert tokenizer.decode(completion) == "a +3 0 1 b +2 0 3 c +1 0 4 # 0 4 <end>"
    hard, hard_formed = make_tiny.measure(model, tokenizer, make_tiny.HARD, 1.0, count=256)
    easy, easy_formed = make_tiny.measure(model, tokenizer, make_tiny.EASY, 1.0, count=256)
    assert hard <= 0.02
    assert 0.15 <= easy <= 0.4
    assert min(hard_formed, easy_formed) >= 0.9


def test_the_command_writes_a_model_and_says_how_good_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(make_tiny, "MEASURED", 4)
    # It sets one thread for the whole process; the other tests keep theirs.
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    caplog.set_level(logging.INFO)
    make_tiny.main([str(tmp_path / "made"), "--steps", "2"])
    assert loading.parameters(settings(path=str(tmp_path / "made"))) == loading.parameters(
        settings()
    )
    assert loading.load_tokenizer(settings(path=str(tmp_path / "made"))).pad_token == "<pad>"
    assert caplog.messages == [
        f"{name} problems, {how}: 0.0000 right, 0.000 well-formed"
        for name in ("easy", "hard")
        for how in ("greedy", "sampled")
    ]


def test_pretraining_repeats_itself() -> None:
    one, other = make_tiny.pretrain(steps=3, seed=5)[0], make_tiny.pretrain(steps=3, seed=5)[0]
    third = make_tiny.pretrain(steps=3, seed=6)[0]
    first, second, different = (m.get_input_embeddings().weight for m in (one, other, third))
    assert torch.equal(first, second)
    assert not torch.equal(first, different)
