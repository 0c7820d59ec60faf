"""Types and limits of `guards`: what is watched while a run trains, and what happens where it goes wrong."""

from typing import Literal

from pydantic import Field

from hybrid_rl.types import Section

Action = Literal["ignore", "warn", "stop"]


class Alarm(Section):
    """An alarm for a value that must not get too high."""

    action: Action
    """What the alarm does. warn: a line in the log each time it begins. stop: the run ends, and can be resumed from its
    last checkpoint."""
    above: float = Field(ge=0)
    """The threshold."""
    steps: int = Field(ge=1)
    """Updates in a row beyond the threshold before the alarm goes off; updates without the value are passed over."""


class ShareAlarm(Alarm):
    """An alarm for a share that must not get too high."""

    above: float = Field(ge=0, lt=1)
    """The threshold, a share."""


class LowAlarm(Section):
    """An alarm for a value that must not get too low."""

    action: Action
    """What the alarm does, as with the alarms for high values."""
    below: float = Field(ge=0)
    """The threshold."""
    steps: int = Field(ge=1)
    """Updates in a row below the threshold before the alarm goes off."""


class RewardAlarm(Section):
    """An alarm for a training reward that rises while the accuracy on dev does not."""

    action: Action
    """What the alarm does, as with the others."""
    rise: float = Field(ge=0)
    """How much the mean reward of the RL updates between two looks at dev must rise."""
    looks: int = Field(ge=1)
    """Over how many looks at dev (train.eval_every) it rises, and the accuracy does not."""


class DiskAlarm(Section):
    """An alarm for a disk that gets full."""

    action: Action
    """What the alarm does; stop: the run ends before the disk is full, and can be resumed."""
    spare_gb: float = Field(ge=0)
    """Gigabytes (10^9 bytes) that must be free in the run directory, beyond an estimate of the next checkpoint."""
    every: int = Field(ge=1)
    """Optimizer steps between two looks at the disk; each checkpoint is preceded by one too."""


class GuardSettings(Section):
    """Everything that is watched, each with its threshold."""

    name: str
    non_finite: Literal["stop", "skip"]
    """What happens to an update whose loss or gradient is not finite, after its batch is written to guards/. skip: the
    update is left out, and neither weights nor optimizer state change; not under DeepSpeed, whose engine updates
    within its backward pass."""
    max_skips: int = Field(ge=1)
    """Updates skipped in a row after which the run stops all the same."""
    refill: int = Field(ge=0)
    """How many times an RL update takes the next questions instead, where the rewards of every group are equal, so that
    it would learn nothing. What was sampled in vain is charged. 0: never, as in plain GRPO."""
    truncated: ShareAlarm
    """The share of trained completions that were cut at the length limit."""
    zero_variance: ShareAlarm
    """The share of groups whose rewards are all equal, so that they teach nothing."""
    unparseable: ShareAlarm
    """The share of solutions in which the verifier found no answer."""
    timeouts: ShareAlarm
    """The share of verifications that ran out of time or whose process died."""
    entropy: LowAlarm
    """The entropy of the policy in nats per sampled token."""
    kl: Alarm
    """The KL to the reference model in nats per token, where train.rl.beta is above 0."""
    grad_norm: Alarm
    """The gradient norm as a multiple of the median of the updates of the same kind before it, from the ninth on."""
    reward_hacking: RewardAlarm
    """The training reward against the accuracy on dev: where the first rises alone, the verifier may pay for what is
    wrong."""
    disk: DiskAlarm
