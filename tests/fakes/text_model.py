"""A random model of a few thousand parameters that reads any text, one byte a token, saved as a directory."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

_MARKS = ["<pad>", "<end>", "<start>"]
TEMPLATE = (
    "{% for m in messages %}<start>{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}<end>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<start>{% endif %}"
)


def save(directory: Path) -> Path:
    """Saves weights, tokenizer and chat template, and returns the directory."""
    torch.manual_seed(0)
    symbols = [*_MARKS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens = Tokenizer(models.BPE({symbol: i for i, symbol in enumerate(symbols)}, []))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token="<pad>", eos_token="<end>", chat_template=TEMPLATE,
        additional_special_tokens=["<start>"],
    )  # fmt: skip
    config = LlamaConfig(
        vocab_size=len(symbols), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=2048,
        pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
