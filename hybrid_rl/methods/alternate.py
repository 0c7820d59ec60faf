"""Static alternation, the control of the adaptive hybrids: one SFT update in every k steps.

Compared with SASR it takes away the choice of *when*, compared with ReLIFT also the choice of *what*. Static mixes of
this kind are baselines of both papers (arXiv 2505.13026, 2506.07527).

What we chose ourselves: the SFT update is the last of each k, so that training opens with RL. A warm-up is optional; as
in SASR it has a learning-rate schedule of its own, and the model at its end becomes the reference of the KL.
"""

from pydantic import Field

from hybrid_rl.methods.base import MixedSettings, Plan
from hybrid_rl.methods.warmup import OpensWithSft, StepsOrShare, warmup_length
from hybrid_rl.types import Examples, Kind, Update


class AlternateSettings(MixedSettings):
    group_size: int = Field(ge=2)
    """Rollouts per question in RL updates."""
    every: int = Field(ge=2)
    """k: one SFT update in so many steps."""
    sft_schedule: Kind
    """Learning rate of SFT updates after the warm-up: that of `train.sft`, or of `train.rl` for one rate in all."""
    warmup_steps: StepsOrShare = Field(ge=0)
    """SFT updates before the alternation: a count, or below 1 a share of the run; 0: none."""

    @property
    def renews_reference(self) -> bool:
        return self.warmup_steps > 0

    def plan(self, steps: int) -> Plan:
        """The warm-up opens the run; the alternation after it is known to the step."""
        warmup = warmup_length(self.warmup_steps, steps)
        sft_steps = warmup + (steps - warmup) // self.every
        if not sft_steps:
            raise ValueError(
                f"method.every = {self.every}: with train.steps = {steps} no step would be SFT;"
                " lower the one or raise the other"
            )
        return Plan(opening=warmup, fewest=sft_steps, expected=sft_steps)


def kind_of(step: int, every: int) -> Kind:
    """Kind of step `step` (from 0) of the alternation: `every` - 1 RL updates, then one of SFT."""
    return "sft" if (step + 1) % every == 0 else "rl"


class Alternate(OpensWithSft[AlternateSettings]):
    needs_traces = True

    def __init__(
        self, settings: AlternateSettings, examples: Examples, seed: int, steps: int
    ) -> None:
        super().__init__(settings, examples, seed, steps, opening=settings.warmup_steps)

    def next_update(self, step: int, progress: float) -> Update:
        if self.opens(step, progress):
            return Update(
                "sft",
                schedule_span=self.schedule_of_opening,
                moments=self.settings.moments_of("sft"),
                note={"phase": "warmup"},
            )
        since = step - (self.opening_updates or 0)
        kind = kind_of(since, self.settings.every)
        return Update(
            kind,
            schedule_span=self.rest,
            schedule=self.settings.sft_schedule if kind == "sft" else "rl",
            moments=self.settings.moments_of(kind),
            # Without a warm-up the reference stays the model as loaded.
            renew_reference=0 < step == self.opening_updates,
            note={"phase": "alternate"},
        )
