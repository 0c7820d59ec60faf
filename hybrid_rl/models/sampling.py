"""The request to a sampler: the prompts, the limits, and how the next token is drawn.

It knows no model and no library that draws. A completion keeps its end-of-sequence token; one that was cut at the
length limit has none, and that is how a truncated completion is told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hybrid_rl.config.train import TrainSettings
from hybrid_rl.types import Ids


@dataclass(frozen=True)
class SamplingParams:
    """How the next token is drawn, and how many there may be; `temperature` 0 takes the likeliest."""

    temperature: float
    top_p: float
    top_k: int
    """The number of likeliest tokens to draw from; 0 is no limit."""
    max_completion_tokens: int

    @property
    def options(self) -> dict[str, Any]:
        """How the next token is drawn, by the names that transformers and vLLM share."""
        return {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}


@dataclass(frozen=True)
class Request:
    """What is to be completed: the prompts, the room that each has, and who is told of those that end first."""

    prompts: Sequence[Ids]
    limits: Sequence[int] | None = None
    """The most tokens for each prompt; None: `max_completion_tokens` for all, which no limit may exceed."""
    finished: Callable[[int, Ids], None] | None = None
    """A listener that is told of completions that end before others, with the index of their prompt."""
    scored: Callable[[int, Sequence[float]], None] | None = None
    """A listener that is told, with the index of a prompt, the log-probabilities of the tokens drawn for it and perhaps
    of padding behind them. They are those at the temperature. Our own loop tells them without top_p and top_k, vLLM
    with both, and transformers' `generate` not at all."""

    def limits_under(self, params: SamplingParams) -> list[int]:
        """The most tokens that may follow each prompt."""
        return list(self.limits or [params.max_completion_tokens] * len(self.prompts))


Sample = Callable[[Request, SamplingParams], list[Ids]]
"""Draws one completion per prompt, in the same order, each of at least one token."""


def in_training(train: TrainSettings) -> SamplingParams:
    """The parameters with which rollouts are drawn."""
    rl = train.rl
    return SamplingParams(rl.temperature, rl.top_p, rl.top_k, train.max_completion_tokens)


def cut_after_eos(ids: Sequence[int], eos_ids: Sequence[int]) -> Ids:
    """`ids` up to and including the first end-of-sequence token; all of them where there is none."""
    ends = (place for place, token in enumerate(ids, start=1) if token in eos_ids)
    return tuple(ids[: next(ends, len(ids))])
