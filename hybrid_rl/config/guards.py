"""Settings of what is watched while a run trains, see `guards`; the values live in conf/guards/. Loads no torch."""

from typing import Literal

from pydantic import Field

from hybrid_rl.types import Section

Action = Literal["ignore", "warn", "stop"]


class Alarm(Section):
    """Of a value that must not get too high."""

    action: Action
    """warn: a line in the log each time it begins. stop: end the run, which can be resumed from its last checkpoint."""
    above: float = Field(ge=0)
    steps: int = Field(ge=1)
    """Updates in a row beyond the threshold, before it counts; updates without the value are passed over."""


class ShareAlarm(Alarm):
    above: float = Field(ge=0, lt=1)


class LowAlarm(Section):
    """Of a value that must not get too low."""

    action: Action
    below: float = Field(ge=0)
    steps: int = Field(ge=1)


class DiskAlarm(Section):
    action: Action
    spare_gb: float = Field(ge=0)
    """10^9 bytes that must be free in the run directory, beyond an estimate of the next checkpoint."""
    every: int = Field(ge=1)
    """Optimizer steps between looks; each checkpoint is preceded by one."""


class GuardSettings(Section):
    name: str
    non_finite: Literal["stop", "skip"]
    """A loss or gradient that is not finite. Its batch is written to guards/ first. skip: the update is left out, and
    neither weights nor optimizer state change; not under DeepSpeed, whose engine updates within its backward pass."""
    max_skips: int = Field(ge=1)
    """Updates skipped in a row, after which the run stops all the same."""
    truncated: ShareAlarm
    """Trained completions that were cut at the length limit."""
    zero_variance: ShareAlarm
    """Groups whose rewards are all equal, so that they teach nothing."""
    unparseable: ShareAlarm
    """Solutions in which the verifier found no answer."""
    timeouts: ShareAlarm
    """Verifications that ran out of time or whose process died."""
    entropy: LowAlarm
    """Nats per sampled token."""
    kl: Alarm
    """Nats per token to the reference model, where train.rl.beta is above 0."""
    grad_norm: Alarm
    """Multiple of the median norm of the updates of the same kind before it, from the ninth on."""
    disk: DiskAlarm
