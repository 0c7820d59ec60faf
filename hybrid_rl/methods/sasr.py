"""SASR (2025, arXiv 2505.13026), step-wise adaptive SFT and RL: at every step chance decides which of the two it is.

Training opens with a short SFT warm-up whose gradient norm becomes the reference. From then on
every optimizer step is SFT with probability p = G_last / (G_last + gamma * G_warmup) and GRPO
otherwise, G_last being the norm of the latest SFT gradient. As the policy nears the demonstrations
that norm shrinks and RL takes over; when RL drifts away, SFT returns.

The abstract names two signals, the gradient norm and the divergence from the initial distribution. `signal` says which
of them p goes by: the norm as above, the divergence, or both.

This is a reconstruction: no source states the exact p, gamma or the length of the warm-up, and
there is no code. The algorithm as we reconstructed it, whose lines the docstrings below number:

1. W times: one SFT update, and its gradient norm before clipping.
2. G_warmup is the mean of the last N_w of these norms, and G_last is the last one.
3. pi_ref, the reference of the KL, is the policy at this point.
4. For every other step:
5. p = r / (r + gamma), with r = G_last / G_warmup; by this signal p = G_last / (G_last + gamma * G_warmup);
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
- The divergence D_last is KL(policy || pi_ref), the mean over demonstration tokens, measured where the norm is. It is 0
  at the end of the warm-up by definition, so its scale is how far the warm-up moved the policy on demonstrations:
  D_warmup is the mean of KL(policy || model as loaded) over the same last warm-up updates as G_warmup.
- `divergence` has r = sqrt(D_last / D_warmup) in line 5. The root, since a KL grows with the square of a small move, as
  the square of a gradient norm does: r is then a distance as G_last / G_warmup is. p is 0 right after the warm-up,
  1/(1+gamma) once the policy is as far from pi_ref as the warm-up took it, and tends to 1 beyond. At p = 0 no SFT
  update would ever measure D_last anew, so that this signal needs `probe_every`. Learning from demonstrations is drift
  too: SFT itself raises D_last.
- `both` has r = G_last / G_warmup + sqrt(D_last / D_warmup): the norm's own r, which drift alone raises. With gamma 3,
  norms at their scale and D_last / D_warmup of 0, 1/4, 1 and 9, p is 0.25, 0.333, 0.4 and 0.571; by divergence alone
  it is 0, 0.143, 0.25 and 0.5.
- Apart from p, divergence is the KL term of the RL loss (`train.rl.beta`), to the same pi_ref.
- An RL step without signal (every group uniform) stays an RL step.
"""

import math
import random
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from hybrid_rl.errors import SettingsError
from hybrid_rl.methods.base import MixedSettings, Note, Plan
from hybrid_rl.methods.warmup import OpensWithSft, StepsOrShare, warmup_length
from hybrid_rl.types import Examples, Json, Kind, Measures, Update

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
    signal: Measures
    """What p goes by: the gradient norm of SFT, the divergence from the warm-up model, or both."""
    gamma: float = Field(gt=0)
    """Weight of the signal's scale in the warm-up; larger means less SFT."""
    smoothing: float = Field(ge=0, lt=1)
    """Weight of the past in G_last and D_last, moving averages over SFT updates; 0: the last value alone."""
    probe_every: int | None = Field(ge=1)
    """Measure the signal anew after so many steps in a row without an SFT update; null: never."""
    control: Control | None
    """null is SASR. `fixed`: p is `fixed_probability`. `shuffled`: the kinds of updates of `paired_run`, in another
    order. `no_warmup`: the scale is the first SFT norm or divergence, and p = 1/(1+gamma) until there is one."""
    fixed_probability: float = Field(ge=0, le=1)
    """p throughout; only `control: fixed` reads it."""
    paired_run: str | None
    """The run directory of a finished run of SASR with the same seed; a relative path starts at this run's directory.
    Only `control: shuffled` reads it."""

    @model_validator(mode="after")
    def _shuffled_needs_a_pair(self) -> "SasrSettings":
        if self.control == "shuffled" and self.paired_run is None:
            raise ValueError(
                "control = shuffled needs paired_run, the run directory of a finished run of SASR with the same seed; "
                "found null"
            )
        return self

    @model_validator(mode="after")
    def _divergence_needs_probes(self) -> "SasrSettings":
        if self.measures == "divergence" and self.probe_every is None:
            raise ValueError(
                "signal = divergence needs probe_every, e.g. 5: p is 0 right after the warm-up, and without an SFT "
                "update nothing else would measure the divergence anew; found null"
            )
        return self

    @property
    def measures(self) -> Measures:
        """What SFT updates measure: the signal, and the norm alone where a control does without it."""
        return self.signal if self.control in (None, "no_warmup") else "norm"

    @property
    def needs_reference(self) -> tuple[str, str] | None:
        """The divergence is one from pi_ref, or until the end of the warm-up from the model as loaded."""
        if self.measures == "norm":
            return None
        return f"method.signal = {self.signal}", "method.signal=norm"

    @property
    def paired_with(self) -> tuple[str, str] | None:
        """The shuffled control has its kinds of updates from another run."""
        if self.control != "shuffled" or self.paired_run is None:
            return None
        return "method.paired_run", self.paired_run

    @property
    def pair_has(self) -> Mapping[str, Json]:
        """Only SASR itself chose its updates by the signal whose timing the shuffled control drops."""
        return {"control": None}

    @property
    def renews_reference(self) -> bool:
        """True where there is a warm-up, at whose end line 3 takes the policy as the reference model."""
        return self.control != "no_warmup"

    @property
    def beyond_deepspeed(self) -> tuple[str, str] | None:
        """A probe takes the norm of a gradient without an update; one of the divergence alone needs no gradient."""
        if self.probe_every is None or self.measures == "divergence":
            return None
        return f"method.probe_every = {self.probe_every}", "method.probe_every=null"

    def plan(self, steps: int) -> Plan:
        """The warm-up opens the run; of the other steps a share is SFT, 1/(1+gamma) at equal norms, or a control's.

        The shuffled control has as many as its pair, which is not known here: it is counted as SASR is.
        """
        warmup = 0 if self.control == "no_warmup" else warmup_length(self.warmup_steps, steps)
        share = self.fixed_probability if self.control == "fixed" else 1 / (1 + self.gamma)
        expected = warmup + round(share * (steps - warmup))
        return Plan(opening=warmup, fewest=warmup, expected=expected)


def usable(value: float) -> bool:
    """False for a norm that says nothing (zero, infinite, nan), of which the previous one is kept; so for a scale."""
    return math.isfinite(value) and value > 0


def smoothed(previous: float, value: float, smoothing: float) -> float:
    """G_last or D_last after an SFT update, line 7: the new value for `smoothing` 0, else a moving average."""
    return smoothing * previous + (1 - smoothing) * value


def switch_probability(last: float | None, scale: float | None, gamma: float) -> float:
    """p = last / (last + gamma * scale), line 5 of the reconstructed algorithm; in [0, 1].

    `last` and `scale` are G_last and G_warmup; for another r they are r and 1. 1/(1+gamma) when they are equal, and
    also while there is none yet (None).
    """
    if last is None or scale is None:
        return 1 / (1 + gamma)
    return last / (last + gamma * scale)


def drift(last_divergence: float, scale: float | None) -> float | None:
    """sqrt(D_last / D_warmup), the r of `signal: divergence`; None without a scale."""
    return None if scale is None else math.sqrt(last_divergence / scale)


def joint_ratio(last_norm: float | None, warmup_norm: float | None, drifted: float | None) -> float:
    """G_last / G_warmup + `drift`, the r of `signal: both`.

    Without a scale the norm counts as 1, as in `switch_probability`, and the drift as 0.
    """
    norm = 1.0 if last_norm is None or warmup_norm is None else last_norm / warmup_norm
    return norm + (drifted or 0.0)


def draw(seed: int, step: int) -> float:
    """u ~ U[0, 1), line 6; depends on its arguments alone, so equal on all ranks and on resume."""
    return random.Random(f"{seed}-{step}").random()


def choose(probability: float, seed: int, step: int) -> Kind:
    """The kind of `step`, line 7: SFT if u < p, else RL."""
    return "sft" if draw(seed, step) < probability else "rl"


def shuffled_kinds(decisions: Sequence[Mapping[str, Json]], seed: int) -> list[Kind]:
    """The kinds of the updates after the warm-up in a decision log, in an order drawn from `seed`.

    As much SFT as in that run, at times without meaning.
    """
    kinds: list[Kind] = [
        line["kind"] for line in decisions if line["note"].get("phase") == "hybrid"
    ]
    return random.Random(f"{seed}-shuffled").sample(kinds, len(kinds))


class Sasr(OpensWithSft[SasrSettings]):
    needs_traces = True
    remembered = (
        f"{OpensWithSft.remembered} kinds warmup_norms last_norm warmup_divergences last_divergence"
        " measured_after sft_updates"
    )
    notes: ClassVar = {
        "p": Note("probability of SFT", "share"),
        "g_last": Note("gradient norm of SFT, smoothed", "mean"),
        "g_warmup": Note("gradient norm of SFT in the warm-up, its reference", "mean"),
        "d_last": Note("KL from the warm-up model on demonstrations", "mean"),
        "d_scale": Note("KL on demonstrations that the warm-up made, its scale", "mean"),
    }

    def __init__(self, settings: SasrSettings, examples: Examples, seed: int, steps: int) -> None:
        warmup = 0 if settings.control == "no_warmup" else settings.warmup_steps
        super().__init__(settings, examples, seed, steps, opening=warmup)
        self.kinds: list[Kind] = []
        """The kinds of the updates after the warm-up, as far as `control: shuffled` has them from its pair."""
        self.warmup_norms: list[float] = []
        self.last_norm: float | None = None
        self.warmup_divergences: list[float] = []
        self.last_divergence = 0.0
        self.measured_after = -1
        """The step after which what was measured last held."""
        self.probed: tuple[int, dict[str, Json]] = (-1, {})
        """The step of the latest probe and what it measured, for the decision log of that step."""
        self.sft_updates = 0
        """SFT updates since the warm-up."""

    @property
    def warmup_norm(self) -> float | None:
        """G_warmup, line 2; None until there is a usable norm."""
        return fmean(self.warmup_norms) if self.warmup_norms else None

    @property
    def divergence_scale(self) -> float | None:
        """D_warmup; None until the policy has moved."""
        return fmean(self.warmup_divergences) if self.warmup_divergences else None

    def observe_pair(self, decisions: Sequence[Mapping[str, Json]]) -> None:
        """Takes the kinds of updates for `control: shuffled`; past their end it draws by their share of SFT."""
        self.kinds = shuffled_kinds(decisions, self.seed)
        if not self.kinds:
            raise SettingsError(
                f"method.paired_run = {self.settings.paired_run}: the run has no step after its warm-up to shuffle;"
                " give a longer one"
            )

    def next_update(self, step: int, progress: float) -> Update:
        """Chooses by lines 1 and 4 to 8. A stale signal is measured first; then the step is asked for again."""
        measures = self.settings.measures
        if self.opens(step, progress):
            return Update(
                "sft",
                schedule_span=self.schedule_of_opening,
                moments=self.settings.moments_of("sft"),
                measures=measures,
                note={"phase": "warmup"},
            )
        probe_every = self.settings.probe_every
        if probe_every is not None and step - self.measured_after > probe_every:
            return Update("sft", measures=measures, measure_only=True, note={"phase": "probe"})
        kind, probability, drawn = self._decide(step)
        return Update(
            kind,
            schedule_span=self.rest,
            schedule=self.settings.sft_schedule if kind == "sft" else "rl",
            moments=self.settings.moments_of(kind),
            measures=measures if kind == "sft" else "norm",
            renew_reference=0 < step == self.opening_updates,
            note={
                "phase": "hybrid",
                "p": probability,
                "draw": drawn,
                "g_last": self.last_norm,
                "g_warmup": self.warmup_norm,
                "sft_updates": self.sft_updates,
                **self._divergence_note(),
                **(self.probed[1] if self.probed[0] == step else {}),
            },
        )

    def observe_divergence(self, step: int, update: Update, divergence: float) -> None:
        """Keeps divergences: of the warm-up, where they are from the model as loaded, for the scale; later for D_last.

        The first update finds no divergence from the model that it starts from, which is no scale.
        """
        finite, warmup = math.isfinite(divergence), self.opening_updates is None
        self._note_time(step, update, {"probe_divergence": divergence if finite else None})
        if usable(divergence) and (warmup or not self.warmup_divergences):
            kept = [*self.warmup_divergences, divergence]
            self.warmup_divergences = kept[-self.settings.reference_steps :]
        if finite and not warmup:
            past = self.last_divergence
            self.last_divergence = smoothed(past, divergence, self.settings.smoothing)

    def observe_norm(self, step: int, update: Update, grad_norm: float) -> None:
        """Keeps SFT norms, by lines 1, 2 and 7; the gradient of an RL update changes nothing."""
        if update.kind != "sft":
            return
        warmup = self.opening_updates is None
        self._note_time(step, update, {"probe": grad_norm if usable(grad_norm) else None})
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

    def _note_time(self, step: int, update: Update, found: dict[str, Json]) -> None:
        """Keeps when something was measured, and what a probe found: a norm, a divergence or both in turn."""
        # A probe comes before the step's own update, so what it measures held after the step before.
        self.measured_after = step - 1 if update.measure_only else step
        if update.measure_only:
            before = self.probed[1] if self.probed[0] == step else {}
            self.probed = (step, {**before, **found})

    def _divergence_note(self) -> dict[str, Json]:
        if self.settings.measures == "norm":
            return {}
        return {"d_last": self.last_divergence, "d_scale": self.divergence_scale}

    def _decide(self, step: int) -> tuple[Kind, float, float | None]:
        """The kind of `step`, the probability that it was SFT, and the draw that decided it, if there was one."""
        probability = self._probability()
        place = step - (self.opening_updates or 0)
        if place < len(self.kinds):
            return self.kinds[place], probability, None
        return choose(probability, self.seed, step), probability, draw(self.seed, step)

    def _probability(self) -> float:
        """The p of line 5, or a control's: the set one, or the share of SFT in the pair."""
        control, signal, gamma = self.settings.control, self.settings.signal, self.settings.gamma
        if control == "fixed":
            return self.settings.fixed_probability
        if control == "shuffled":
            if not self.kinds:
                raise ValueError("control = shuffled was not told of its pair")
            return self.kinds.count("sft") / len(self.kinds)
        if signal == "norm":
            return switch_probability(self.last_norm, self.warmup_norm, gamma)
        drifted = drift(self.last_divergence, self.divergence_scale)
        if signal == "divergence":
            return switch_probability(drifted, 1.0, gamma)
        r = joint_ratio(self.last_norm, self.warmup_norm, drifted)
        return switch_probability(r, 1.0, gamma)
