"""Static alternation, the control of the adaptive hybrids: one SFT update in every k steps.

Compared with SASR it takes away the choice of *when*, compared with ReLIFT that of *when* and of
*what*. Static mixes of this kind are baselines of both papers (arXiv 2505.13026, 2506.07527).

Our choices: the SFT update is the last of each k, so that training opens with RL; a warm-up is
optional, and as in SASR it has a learning-rate schedule of its own and ends with a new reference of the KL.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator

from hybrid_rl import types
from hybrid_rl.methods import base
from hybrid_rl.methods.warmup import count_or_share, warmup_length


class AlternateSettings(base.Method.Settings):
    group_size: int = Field(ge=2)
    """Rollouts per question in RL updates."""
    every: int = Field(ge=2)
    """k: one SFT update in so many steps."""
    sft_schedule: types.Kind
    """Learning rate of SFT updates after the warm-up: that of `train.sft`, or of `train.rl` for one rate in all."""
    warmup_steps: int | float = Field(ge=0)
    """SFT updates before the alternation: a count, or below 1 a share of train.steps; 0: none."""

    @field_validator("warmup_steps")
    @classmethod
    def _count_or_share(cls, value: int | float) -> int | float:
        return count_or_share(value)


def kind_of(step: int, every: int) -> Literal["sft", "rl"]:
    """Kind of step `step` (from 0) of the alternation: `every` - 1 RL updates, then one of SFT."""
    return "sft" if (step + 1) % every == 0 else "rl"


class Alternate(base.Method):
    needs_traces = True

    class Settings(AlternateSettings):
        pass

    def __init__(
        self,
        settings: AlternateSettings,
        examples: Mapping[str, types.Example],
        seed: int,
        steps: int,
    ) -> None:
        super().__init__(settings, examples, seed, steps)
        self.warmup_steps = warmup_length(settings.warmup_steps, steps)

    def next_update(self, step: int) -> types.Update:
        if step < self.warmup_steps:
            return types.Update("sft", progress=step / self.warmup_steps, note={"phase": "warmup"})
        since = step - self.warmup_steps
        kind = kind_of(since, self.settings.every)
        return types.Update(
            kind,
            progress=since / (self.steps - self.warmup_steps),
            schedule=self.settings.sft_schedule if kind == "sft" else "rl",
            renew_reference=0 < step == self.warmup_steps,
            note={"phase": "alternate"},
        )

    def state_dict(self) -> dict[str, types.Json]:
        """More steps after a resume prolong the alternation, over which its schedule then stretches."""
        return {"warmup_steps": self.warmup_steps}

    def load_state_dict(self, state: Mapping[str, types.Json]) -> None:
        self.warmup_steps = state["warmup_steps"]

    @classmethod
    def renews_reference(cls, settings: AlternateSettings) -> bool:
        return settings.warmup_steps > 0

    @classmethod
    def expected_sft_steps(cls, settings: AlternateSettings, steps: int) -> int:
        """Exact."""
        warmup = warmup_length(settings.warmup_steps, steps)
        return warmup + (steps - warmup) // settings.every

    @classmethod
    def opening_sft_steps(cls, settings: AlternateSettings, steps: int) -> int:
        return warmup_length(settings.warmup_steps, steps)
