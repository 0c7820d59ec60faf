"""The model of the package in a shape that vLLM's attention for CPUs takes: the same function, heads padded with zeros.

Its heads have 16 dimensions, and that kernel wants 32 at least. Zeros stay zeros in training, for each is multiplied
by another one, so that a run of this model is a run of that one.
"""

import math
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from hybrid_rl.models.loading import TINY

_FACTOR = 2  # of the dimensions of a head


def save(directory: Path) -> None:
    """Writes the model and its tokenizer into `directory`."""
    plain = AutoModelForCausalLM.from_pretrained(TINY)
    config = AutoModelForCausalLM.from_pretrained(TINY).config
    config.head_dim *= _FACTOR
    wide = AutoModelForCausalLM.from_config(config)
    heads, size = config.num_attention_heads, plain.config.head_dim
    # Of dimension j and j + size/2 the rotary embedding makes a pair, turned by theta^(-2j/size): in a head of twice
    # the size these are the pairs of every second j.
    places = torch.cat([torch.arange(0, size, 2), size + torch.arange(0, size, 2)])
    wanted = dict(plain.named_parameters())
    with torch.no_grad():
        for name, weight in wide.named_parameters():
            given = wanted[name]
            if given.shape == weight.shape:
                weight.copy_(given)
                continue
            weight.zero_()
            if "o_proj" in name:
                into = weight.view(-1, heads, size * _FACTOR)
                into[:, :, places] = given.view(-1, heads, size)
                continue
            # Scores are divided by the root of the size.
            scale = math.sqrt(_FACTOR) if "q_proj" in name else 1.0
            weight.view(heads, size * _FACTOR, -1)[:, places] = scale * given.view(heads, size, -1)
    wide.save_pretrained(directory)
    AutoTokenizer.from_pretrained(TINY).save_pretrained(directory)
