"""SFT, then GRPO from its result: the baseline that an audit (arXiv 2604.23747) found to beat published hybrids.

Both phases are one run: one directory, one step count. What makes GRPO a run of its own in the audit is so here too: it
has its own learning-rate schedule, it begins with fresh moments of Adam (`moments: by_kind`), and a KL term of its loss
(`train.rl.beta`) is to the result of SFT.
"""

from pydantic import Field

from hybrid_rl.methods.base import MixedSettings, Plan
from hybrid_rl.methods.warmup import OpensWithSft, share_length
from hybrid_rl.types import Examples, Update


class SftThenGrpoSettings(MixedSettings):
    group_size: int = Field(ge=2)
    """Rollouts per question in the RL phase."""
    sft_fraction: float = Field(gt=0, lt=1)
    """Share of the run that is supervised: of train.steps, or of the budget that ends it."""

    @property
    def renews_reference(self) -> bool:
        return True

    @property
    def moment_sets(self) -> int:
        """One: those of SFT are deleted when RL begins."""
        return 1

    def plan(self, steps: int) -> Plan:
        """SFT opens the run; each phase has at least one step."""
        if steps < 2:
            raise ValueError(
                f"train.steps = {steps}: method=sft_then_grpo has a step of SFT and one of RL at least; give 2 or more"
            )
        sft_steps = share_length(self.sft_fraction, steps)
        return Plan(opening=sft_steps, fewest=sft_steps, expected=sft_steps)


class SftThenGrpo(OpensWithSft[SftThenGrpoSettings]):
    needs_traces = True

    def __init__(
        self, settings: SftThenGrpoSettings, examples: Examples, seed: int, steps: int
    ) -> None:
        super().__init__(settings, examples, seed, steps, opening=settings.sft_fraction)

    def next_update(self, step: int, progress: float) -> Update:
        if self.opens(step, progress):
            return Update(
                "sft",
                schedule_span=self.schedule_of_opening,
                moments=self.settings.moments_of("sft"),
            )
        return Update(
            "rl",
            schedule_span=self.rest,
            renew_reference=step == self.opening_updates,
            moments=self.settings.moments_of("rl"),
            drop_resting_moments=True,
        )
