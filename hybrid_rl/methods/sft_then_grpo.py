"""SFT, then GRPO from its result: the baseline that an audit (arXiv 2604.23747) found to beat published hybrids.

Both phases are one run: one optimizer, one directory, one step count. Each phase has its own learning-rate schedule.
A KL term of the RL loss (`train.rl.beta`) is to the result of SFT, as it is where GRPO is a run of its own.
"""

from pydantic import Field

from hybrid_rl.methods.base import Method, MethodSettings, Plan
from hybrid_rl.types import Examples, Update


class SftThenGrpoSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """Rollouts per question in the RL phase."""
    sft_fraction: float = Field(gt=0, lt=1)
    """Share of `train.steps` that is supervised."""

    @property
    def renews_reference(self) -> bool:
        return True

    def plan(self, steps: int) -> Plan:
        """SFT opens the run; each phase has at least one step."""
        sft_steps = min(max(1, round(self.sft_fraction * steps)), steps - 1)
        return Plan(opening=sft_steps, fewest=sft_steps, expected=sft_steps)


class SftThenGrpo(Method[SftThenGrpoSettings]):
    needs_traces = True
    # More steps after a resume prolong the RL phase, over which its schedule then stretches.
    remembered = "sft_steps"

    def __init__(
        self, settings: SftThenGrpoSettings, examples: Examples, seed: int, steps: int
    ) -> None:
        super().__init__(settings, examples, seed, steps)
        self.sft_steps = settings.plan(steps).opening

    def next_update(self, step: int) -> Update:
        if step < self.sft_steps:
            return Update("sft", schedule_position=step / self.sft_steps)
        return Update(
            "rl",
            schedule_position=(step - self.sft_steps) / (self.steps - self.sft_steps),
            renew_reference=step == self.sft_steps,
        )
