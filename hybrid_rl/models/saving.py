"""Saving of a model and its tokenizer into a directory that plain transformers loads, as safetensors."""

import copy
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    directory: Path,
    weights: dict[str, torch.Tensor] | None = None,
    eos_ids: Sequence[int] | None = None,
) -> None:
    """Writes a directory that plain transformers loads, LoRA merged in; it is whole or not there at all.

    `weights`: gathered from all ranks, where the model itself holds only a shard. `eos_ids`: what ended a completion
    in training; None: what the tokenizer and the model name. Plain `generate` then answers as evaluation did: sampling
    defaults of the model's makers, such as a repetition penalty, are not saved.
    """
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if hasattr(model, "merge_and_unload"):
        model, weights = _merged(model, weights), None
    own_config = model.generation_config
    model.generation_config = GenerationConfig(
        bos_token_id=own_config.bos_token_id,
        eos_token_id=list(eos_ids or own_eos_ids(tokenizer, model)),
        pad_token_id=tokenizer.pad_token_id,
    )
    try:
        model.save_pretrained(partial, state_dict=weights)
    finally:
        model.generation_config = own_config
    tokenizer.save_pretrained(partial)
    if directory.exists():
        shutil.rmtree(directory)
    os.replace(partial, directory)


def _merged(adapted: Any, weights: Mapping[str, torch.Tensor] | None) -> PreTrainedModel:
    """A copy of the base model with its adapters merged in; `adapted` may still be trained or evaluated.

    `weights`: see `save`; a shard cannot be copied, so they go into a fresh model.
    """
    if weights is None:
        whole = copy.deepcopy(adapted)
    else:
        base = adapted.get_base_model()
        whole = type(adapted)(type(base)(base.config), adapted.peft_config[adapted.active_adapter])
        whole.load_state_dict(weights)
    merged: PreTrainedModel = whole.merge_and_unload()
    return merged


def own_eos_ids(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel | None) -> list[int]:
    """The tokens that end a completion by the word of the tokenizer and of the model; none may be named."""
    own = model.generation_config.eos_token_id if model is not None else None
    found = [tokenizer.eos_token_id, *([own] if isinstance(own, int) else own or [])]
    return list(dict.fromkeys(token for token in found if token is not None))
