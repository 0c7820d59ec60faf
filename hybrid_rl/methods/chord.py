"""CHORD (2025, arXiv 2508.11408): SFT is no stage but a weighted part of every RL update.

The loss is (1 - mu) L_GRPO + mu L_SFT. In CHORD-mu the weight mu falls from imitation to exploration; in CHORD-phi it
stays small, and each expert token is weighed with p (1 - p), which takes those that are neither certain nor alien.
Demonstrations are a stream of their own, so the baseline of GRPO never sees an expert row. With mu constant and without
phi it is "RL with an SFT loss", a baseline of LUFFY's paper; phi = p is DFT in the SFT part.

One update, at step s:

1. mu = peak s/W for s < W; then the cosine from peak to valley over D; valley from there on.
2. Sample a group of G rollouts of each question, and draw `demonstrations` traces.
3. (1 - mu) times GRPO on the groups, and mu times the token mean of -[phi] log p over the expert's tokens.

Where this deviates from the authors' code (github modelscope/Trinity-RFT, 0414330):

- Both parts are exact means; there each is a row-weighted mean of token means of micro-batches.
- Both parts draw from one training set; there those of the paper's run are disjoint.
- W and D may be shares of the run, since a budget may end it, and are in the shipped values.

phi has no gradient: differentiated, the factor would be phi + p (1 - 2p) log p, which is negative below p = .24.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import Field, model_validator

from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.methods.curves import falling, since
from hybrid_rl.methods.terms import Factor, Term, judged, likelihood
from hybrid_rl.methods.warmup import StepsOrShare
from hybrid_rl.types import Example, Group, Update


class ChordSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question."""
    demonstrations: int = Field(ge=1)
    """Expert rows per update, over all devices."""
    factor: Factor
    """phi: one is CHORD-mu, p(1-p) is CHORD-phi."""
    rise: StepsOrShare = Field(ge=0)
    """W: steps in which mu rises from 0 to its peak, or below 1 a share of the run; 0: it begins with the peak."""
    fall: StepsOrShare = Field(ge=0)
    """D: steps in which mu falls from its peak to its valley, or below 1 a share of the run; 0: at once."""
    peak: float = Field(ge=0, le=1)
    """The largest mu."""
    valley: float = Field(ge=0, le=1)
    """The last mu."""

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if self.rise and self.fall and (self.rise >= 1) != (self.fall >= 1):
            raise ValueError(
                f"rise = {self.rise}, fall = {self.fall}: both must be counts of steps, or both shares of the run"
            )
        return self

    def extra_rows(self, prompts: int) -> int:
        return self.demonstrations

    @property
    def sft_batch(self) -> tuple[str, int]:
        return "method.demonstrations", self.demonstrations


def mu(step: int, progress: float, settings: ChordSettings) -> float:
    """The weight of SFT at `step`, which begins when `progress` of the run is over."""
    over = since(step, progress, settings.rise or settings.fall)
    if over < settings.rise:
        return settings.peak * over / settings.rise
    if not settings.fall:
        return settings.valley
    return falling((over - settings.rise) / settings.fall, settings.peak, settings.valley)


class Chord(Method[ChordSettings]):
    needs_traces = True
    notes: ClassVar = {"mu": Note("weight of SFT, mu", "share")}

    def next_update(self, step: int, progress: float) -> Update:
        """Step 1."""
        weight = mu(step, progress, self.settings)
        return Update("rl", demonstrations=self.settings.demonstrations, note={"mu": weight})

    def terms(
        self, step: int, update: Update, groups: Sequence[Group], demonstrations: Sequence[Example]
    ) -> list[Term]:
        """Step 3."""
        weight: float = update.note["mu"]
        sampled = [row for group in groups for row in judged(group)]
        taught = [likelihood(one, factor=self.settings.factor) for one in demonstrations]
        return [
            Term(sampled, scale=1 - weight, name="rl"),
            Term(taught, scale=weight, mean="token", name="sft"),
        ]
