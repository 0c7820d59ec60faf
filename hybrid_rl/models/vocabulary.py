"""A vocabulary says what token ids mean: the text of a completion, the tokens that end one, and the padding.

It knows the tokenizer and no model. Training, evaluation and sampling all ask the same one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from hybrid_rl.types import Ids


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer, and every token that ends a completion."""

    tokenizer: PreTrainedTokenizerBase
    eos_ids: Sequence[int]

    @property
    def pad_id(self) -> int:
        """The token that fills up short rows; it may be one that also ends a completion."""
        pad_id: int = self.tokenizer.pad_token_id
        return pad_id

    @property
    def end_id(self) -> int:
        """The token that ends a demonstration: of several that may end a completion, the tokenizer's own."""
        own: int | None = self.tokenizer.eos_token_id
        return own if own is not None and own in self.eos_ids else self.eos_ids[0]

    def decode(self, ids: Ids) -> str:
        """The text of these tokens, special ones included."""
        # transformers takes one row or several, and answers a string or a list of them.
        return str(self.tokenizer.decode(list(ids)))

    def solution_text(self, ids: Ids) -> str:
        """The text of a solution, without the token that ended it."""
        return self.decode(ids[:-1] if self.has_ended(ids) else ids)

    def has_ended(self, ids: Ids) -> bool:
        """Whether the last token is one that ends a completion; without one it was cut at its length limit."""
        return bool(ids) and ids[-1] in self.eos_ids
