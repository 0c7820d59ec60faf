"""SFT, then GRPO from its result: the baseline that an audit (arXiv 2604.23747) found to beat published hybrids.

Both phases are one run: one optimizer, one directory, one step count. Each phase has its own learning-rate schedule.
A KL term of the RL loss (`train.rl.beta`) is to the result of SFT, as it is where GRPO is a run of its own.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from hybrid_rl import types
from hybrid_rl.methods import base


class SftThenGrpo(base.Method):
    needs_traces = True

    class Settings(types.Section):
        name: str
        group_size: int = Field(ge=2)
        """Rollouts per question in the RL phase."""
        sft_fraction: float = Field(gt=0, lt=1)
        """Share of `train.steps` that is supervised."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sft_steps = self.expected_sft_steps(self.settings, self.steps)

    def next_update(self, step: int) -> types.Update:
        if step < self.sft_steps:
            return types.Update("sft", progress=step / self.sft_steps)
        return types.Update(
            "rl",
            progress=(step - self.sft_steps) / (self.steps - self.sft_steps),
            renew_reference=step == self.sft_steps,
        )

    def state_dict(self) -> dict[str, types.Json]:
        """More steps after a resume prolong the RL phase, over which its schedule then stretches."""
        return {"sft_steps": self.sft_steps}

    def load_state_dict(self, state: Mapping[str, types.Json]) -> None:
        self.sft_steps = state["sft_steps"]

    @classmethod
    def renews_reference(cls, settings: Any) -> bool:
        return True

    @classmethod
    def expected_sft_steps(cls, settings: Any, steps: int) -> int:
        """At least one step for each phase."""
        wanted: int = round(settings.sft_fraction * steps)
        return min(max(1, wanted), steps - 1)

    @classmethod
    def opening_sft_steps(cls, settings: Any, steps: int) -> int:
        return cls.expected_sft_steps(settings, steps)
