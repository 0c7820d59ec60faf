"""SASR (2025, arXiv 2505.13026), step-wise adaptive SFT and RL: at every step chance decides which of the two it is.

Training opens with a short SFT warm-up whose gradient norm becomes the reference. From then on
every optimizer step is SFT with probability p = G_last / (G_last + gamma * G_warmup) and GRPO
otherwise, G_last being the norm of the latest SFT gradient. As the policy nears the demonstrations
that norm shrinks and RL takes over; when RL drifts away, SFT returns.

This is a reconstruction: no source states the exact p, gamma or the length of the warm-up, and
there is no code. The algorithm as we reconstructed it, whose lines the docstrings below number:

1. W times: one SFT update, and its gradient norm before clipping.
2. G_warmup is the mean of the last N_w of these norms, and G_last is the last one.
3. pi_ref, the reference of the KL, is the policy at this point.
4. For every other step:
5. p = G_last / (G_last + gamma * G_warmup);
6. u is drawn from [0, 1), the same on all ranks;
7. if u < p: one SFT update, whose norm becomes G_last;
8. else: one GRPO update, and G_last stays.

What we chose ourselves:

- p is the plain ratio; a sigmoid of it, seen in one summary, could never fall below one half.
- G_warmup is the mean norm of the last `reference_steps` warm-up updates, G_last one norm.
- Norms are global, of the token-mean loss, and before clipping: after it both would saturate.
- Both kinds share Adam's moments, or have a set each (`moments`), where the warm-up counts as SFT.
- The warm-up has a learning-rate schedule of its own, the hybrid
  phase one over both kinds, whose SFT updates take the rate of RL or their own (`sft_schedule`).
- Divergence from the initial distribution does not enter p. It is the KL term of the RL loss
  (`train.rl.beta`), and the reference is the model at the end of the warm-up.
- An RL step without signal (every group uniform) stays an RL step.
"""

import math
import random
from statistics import fmean
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from hybrid_rl.methods.base import MixedSettings, Note, Plan
from hybrid_rl.methods.warmup import Opened, StepsOrShare, warmup_length
from hybrid_rl.types import Examples, Json, Kind, Update

Control = Literal["fixed", "shuffled", "no_warmup"]


class SasrSettings(MixedSettings):
    group_size: int = Field(ge=2)
    """Rollouts per question in RL updates."""
    sft_schedule: Kind
    """Learning rate of SFT updates after the warm-up: that of `train.sft`, or of `train.rl` for one rate in all."""
    warmup_steps: StepsOrShare = Field(gt=0)
    """SFT updates before the hybrid phase: a count, or below 1 a share of the run."""
    reference_steps: int = Field(ge=1)
    """N_w: the reference is the mean norm of the last so many warm-up updates."""
    gamma: float = Field(gt=0)
    """Weight of the reference norm; larger means less SFT."""
    smoothing: float = Field(ge=0, lt=1)
    """Weight of the past in G_last, a moving average over SFT updates; 0: the last norm alone."""
    probe_every: int | None = Field(ge=1)
    """Measure G_last anew after so many steps in a row without an SFT update; null: never."""
    control: Control | None
    """null is SASR. `fixed`: p is `fixed_probability`. `shuffled`: SFT comes `sft_steps` times, at random.
    `no_warmup`: the reference is the first SFT norm, and p = 1/(1+gamma) until there is one."""
    fixed_probability: float = Field(ge=0, le=1)
    """p throughout; only `control: fixed` reads it."""
    sft_steps: int | None = Field(ge=0)
    """SFT updates after the warm-up, as counted in a finished run; only `control: shuffled` reads it."""

    @model_validator(mode="after")
    def _shuffled_needs_a_count(self) -> "SasrSettings":
        if self.control == "shuffled" and self.sft_steps is None:
            raise ValueError(
                "control = shuffled needs sft_steps, the number of SFT updates after the warm-up "
                "of a finished run; found null"
            )
        return self

    @property
    def renews_reference(self) -> bool:
        """True where there is a warm-up, at whose end line 3 takes the policy as the reference of the KL."""
        return self.control != "no_warmup"

    @property
    def beyond_deepspeed(self) -> tuple[str, str] | None:
        """A probe takes the norm of a gradient without an update."""
        if self.probe_every is None:
            return None
        return f"method.probe_every = {self.probe_every}", "method.probe_every=null"

    def plan(self, steps: int) -> Plan:
        """The warm-up opens the run; of the other steps a share is SFT, 1/(1+gamma) at equal norms, or a control's."""
        warmup = 0 if self.control == "no_warmup" else warmup_length(self.warmup_steps, steps)
        if self.control == "shuffled":
            sft_steps = warmup + len(shuffled_steps(self.sft_steps or 0, warmup, steps, seed=0))
            return Plan(opening=warmup, fewest=sft_steps, expected=sft_steps)
        share = self.fixed_probability if self.control == "fixed" else 1 / (1 + self.gamma)
        expected = warmup + round(share * (steps - warmup))
        return Plan(opening=warmup, fewest=warmup, expected=expected)


def usable(grad_norm: float) -> bool:
    """False for a norm that says nothing (zero, infinite, nan); the previous one is kept."""
    return math.isfinite(grad_norm) and grad_norm > 0


def smoothed(previous: float, grad_norm: float, smoothing: float) -> float:
    """G_last after an SFT update, line 7: the norm for `smoothing` 0, else a moving average."""
    return smoothing * previous + (1 - smoothing) * grad_norm


def switch_probability(last_norm: float | None, warmup_norm: float | None, gamma: float) -> float:
    """p = G_last / (G_last + gamma * G_warmup), line 5 of the reconstructed algorithm; in [0, 1].

    1/(1+gamma) when both norms are equal, and also while there is none yet (None).
    """
    if last_norm is None or warmup_norm is None:
        return 1 / (1 + gamma)
    return last_norm / (last_norm + gamma * warmup_norm)


def draw(seed: int, step: int) -> float:
    """u ~ U[0, 1), line 6; depends on its arguments alone, so equal on all ranks and on resume."""
    return random.Random(f"{seed}-{step}").random()


def choose(probability: float, seed: int, step: int) -> Kind:
    """The kind of `step`, line 7: SFT if u < p, else RL."""
    return "sft" if draw(seed, step) < probability else "rl"


def shuffled_steps(sft_steps: int, first: int, steps: int, seed: int) -> list[int]:
    """`sft_steps` of the steps `first` .. `steps` - 1, drawn: the same amount of SFT, at times without meaning.

    Raises ValueError when there are fewer steps than that.
    """
    if sft_steps > steps - first:
        raise ValueError(
            f"method.sft_steps = {sft_steps}: only {steps - first} of {steps} steps follow the "
            "warm-up; lower method.sft_steps or raise train.steps"
        )
    return sorted(random.Random(f"{seed}-shuffled").sample(range(first, steps), sft_steps))


class Sasr(Opened[SasrSettings]):
    needs_traces = True
    # `control: shuffled` has spent its SFT steps within the first plan: what a resume adds is RL.
    remembered = f"{Opened.remembered} sft_at warmup_norms last_norm measured_after sft_updates"
    notes: ClassVar = {
        "p": Note("probability of SFT", "share"),
        "g_last": Note("gradient norm of SFT, smoothed", "mean"),
        "g_warmup": Note("gradient norm of SFT in the warm-up, its reference", "mean"),
    }

    def __init__(self, settings: SasrSettings, examples: Examples, seed: int, steps: int) -> None:
        warmup = 0 if settings.control == "no_warmup" else settings.warmup_steps
        super().__init__(settings, examples, seed, steps, opening=warmup)
        self.sft_at: list[int] | None = None
        """The SFT steps of `control: shuffled`; None for all others."""
        if settings.control == "shuffled":
            first = settings.plan(steps).opening
            self.sft_at = shuffled_steps(settings.sft_steps or 0, first, steps, seed)
        self.warmup_norms: list[float] = []
        self.last_norm: float | None = None
        self.measured_after = -1
        """The step after which `last_norm` held."""
        self.probed: tuple[int, float] | None = None
        """The step and the norm of the latest probe, for the decision log of that step."""
        self.sft_updates = 0
        """SFT updates since the warm-up."""

    @property
    def warmup_norm(self) -> float | None:
        """G_warmup, line 2; None until there is a usable norm."""
        return fmean(self.warmup_norms) if self.warmup_norms else None

    def next_update(self, step: int, progress: float) -> Update:
        """Chooses by lines 1 and 4 to 8. A stale norm is measured first; then the step is asked for again."""
        if self.opens(step, progress):
            return Update(
                "sft",
                schedule_span=self.schedule_of_opening,
                moments=self.settings.moments_of("sft"),
                note={"phase": "warmup"},
            )
        probe_every = self.settings.probe_every
        if probe_every is not None and step - self.measured_after > probe_every:
            return Update("sft", measure_only=True, note={"phase": "probe"})
        kind, probability = self._decide(step)
        return Update(
            kind,
            schedule_span=self.rest,
            schedule=self.settings.sft_schedule if kind == "sft" else "rl",
            moments=self.settings.moments_of(kind),
            renew_reference=0 < step == self.opening_updates,
            note={
                "phase": "hybrid",
                "p": probability,
                # The shuffled control drew all its steps beforehand.
                "draw": draw(self.seed, step) if self.sft_at is None else None,
                "g_last": self.last_norm,
                "g_warmup": self.warmup_norm,
                "sft_updates": self.sft_updates,
                **self._probe_note(step),
            },
        )

    def observe_norm(self, step: int, update: Update, grad_norm: float) -> None:
        """Keeps SFT norms, by lines 1, 2 and 7; the gradient of an RL update changes nothing."""
        if update.kind != "sft":
            return
        warmup = self.opening_updates is None
        # A probe comes before the step's own update, so what it measures held after the step before.
        self.measured_after = step - 1 if update.measure_only else step
        self.probed = (step, grad_norm) if update.measure_only else None
        if not usable(grad_norm):
            return
        self.sft_updates += not warmup and not update.measure_only
        if warmup or self.last_norm is None:
            # The average starts from the reference, which is less noisy than the last warm-up norm.
            self.warmup_norms = [*self.warmup_norms, grad_norm][-self.settings.reference_steps :]
            previous = fmean(self.warmup_norms)
        else:
            previous = self.last_norm
        self.last_norm = smoothed(previous, grad_norm, self.settings.smoothing)

    def _probe_note(self, step: int) -> dict[str, Json]:
        """The norm that a probe measured in this step, None where it says nothing; empty without a probe."""
        if self.probed is None or self.probed[0] != step:
            return {}
        return {"probe": self.probed[1] if usable(self.probed[1]) else None}

    def _decide(self, step: int) -> tuple[Kind, float]:
        """The kind of `step` and the probability that it was SFT."""
        if self.sft_at is not None:
            share = len(self.sft_at) / (self.steps - (self.opening_updates or 0))
            return ("sft" if step in self.sft_at else "rl"), share
        probability = self.settings.fixed_probability
        if self.settings.control != "fixed":
            probability = switch_probability(self.last_norm, self.warmup_norm, self.settings.gamma)
        return choose(probability, self.seed, step), probability
