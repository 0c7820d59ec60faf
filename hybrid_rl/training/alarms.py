"""Alarms over a run's metrics, the count of skipped updates, and the room left on the disk. This file loads no torch.

An alarm is judged from the metrics line of each update, which is the same on every rank; so all of them stop together.
All thresholds are our choice; conf/guards/ has them.
"""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hybrid_rl.config.guards import Alarm, GuardSettings, LowAlarm
from hybrid_rl.errors import SettingsError
from hybrid_rl.training.reward_trend import RewardTrend

_WINDOW = 32  # updates of one kind whose norms a new one is held against
_FEWEST = 8


class GuardError(SettingsError):
    """A guard stops the run; the message names its setting and what to do."""


@dataclass(frozen=True)
class Began:
    """An alarm that begins with the update of `step`."""

    step: int
    alarm: str
    value: float
    message: str
    stops: bool


@dataclass(frozen=True)
class AlarmRule:
    """What one alarm looks at, and the words of its message."""

    alarm: str
    metric: str
    """The key on the metrics line."""
    finding: str
    """The finding in words, with {value}, {percent} and {slow} to be filled in."""
    remedy: str


_RULES = (
    AlarmRule(
        "truncated",
        "truncated_rate",
        "{percent} of the trained completions were cut at the length limit",
        "raise train.max_completion_tokens, or check that model.eos_tokens end a completion",
    ),
    AlarmRule(
        "zero_variance",
        "zero_advantage_groups",
        "{percent} of the groups have equal rewards and teach nothing",
        "take questions that are neither solved nor hopeless, or raise method.group_size or train.rl.temperature",
    ),
    AlarmRule(
        "unparseable",
        "outcome/unparseable",
        "{percent} of the solutions have no answer that the verifier can read",
        "look into rollouts/, then at the instruction in data.* and at reward.verifier",
    ),
    AlarmRule(
        "timeouts",
        "outcome/timeout",
        "{percent} of the verifications ran out of time{slow}",
        "mend the verifier, lower reward.timeout_seconds, or raise reward.workers",
    ),
    AlarmRule(
        "entropy",
        "entropy",
        "the entropy is down to {value} nats per token",
        "lower train.rl.learning_rate, or raise train.rl.entropy_bonus or train.rl.temperature",
    ),
    AlarmRule(
        "kl",
        "kl",
        "the KL to the reference model is {value} nats per token",
        "lower train.rl.learning_rate, or raise train.rl.beta",
    ),
    AlarmRule(
        "grad_norm",
        "grad_norm",
        "the gradient norm is {value} times the median of the updates of its kind before",
        "lower its learning rate or train.max_grad_norm, or look at the data of this step",
    ),
)


class Guards:
    """The alarms of one run, fed with every update; their state is part of a checkpoint."""

    def __init__(self, settings: GuardSettings) -> None:
        self.settings = settings
        self.on: list[str] = []
        """The alarms that are on, by the values of the last update."""
        self.skips = 0
        """The number of updates skipped in a row."""
        self._begun: set[str] = set()
        self._beyond: dict[str, int] = {}
        self._norms: dict[str, list[float]] = {}
        self._seconds: list[float] = []
        self._trend = RewardTrend()

    def skip(self, step: int, finding: str, batch: Path) -> None:
        """Counts an update that is not taken; raises GuardError where the settings want no more of them."""
        where = f"{finding}; its batch is in {batch}"
        way_out = "lower the learning rate, or try hardware.precision=float32"
        if self.settings.non_finite == "stop":
            raise GuardError(
                f"guards.non_finite = stop: at step {step}, {where};"
                f" {way_out}, or start again with guards.non_finite=skip"
            )
        self.skips += 1
        if self.skips > self.settings.max_skips:
            raise GuardError(
                f"guards.max_skips = {self.settings.max_skips}: at step {step}, after as many skipped updates in a row,"
                f" {where}; {way_out}"
            )

    def check(
        self, line: Mapping[str, Any], seconds: float = 0.0, verifier_seconds: float = 0.0
    ) -> list[Began]:
        """The alarms that begin with this metrics line.

        `seconds`: wall clock of the update; `verifier_seconds`: what of it was spent on waiting for the verifier.
        """
        if not line.get("skipped"):
            self.skips = 0
        self.on = []
        began: list[Began] = []
        slow = self._slow(seconds, verifier_seconds)
        for rule in _RULES:
            if (value := self._value(rule, line)) is not None:
                began += self._judge(rule, line["step"], value, slow)
        self._remember(line, seconds)
        return began

    def _judge(self, rule: AlarmRule, step: int, value: float, slow: str) -> list[Began]:
        """The alarm of one rule, if it begins with this value; counts the value, and notes whether the alarm is on."""
        limit: LowAlarm | Alarm = getattr(self.settings, rule.alarm)
        if isinstance(limit, LowAlarm):
            name, threshold, beyond = "below", limit.below, value < limit.below
        else:
            name, threshold, beyond = "above", limit.above, value > limit.above
        beyond = beyond or not math.isfinite(value)
        count = self._beyond[rule.alarm] = self._beyond.get(rule.alarm, 0) + 1 if beyond else 0
        if count < limit.steps or limit.action == "ignore":
            self._begun.discard(rule.alarm)
            return []
        self.on.append(rule.alarm)
        if rule.alarm in self._begun:
            return []
        self._begun.add(rule.alarm)
        found = rule.finding.format(value=f"{value:.3g}", percent=f"{value:.0%}", slow=slow)
        span = f"step {step}" + (f", for {count} updates in a row" if count > 1 else "")
        message = f"guards.{rule.alarm}.{name} = {threshold:g}: at {span}, {found}; {rule.remedy}"
        return [Began(step, rule.alarm, value, message, limit.action == "stop")]

    def dev(self, step: int, accuracy: float) -> list[Began]:
        """The alarm of reward against truth, if it begins with this evaluation on dev after `step`."""
        self._trend.look(step, accuracy)
        limit = self.settings.reward_hacking
        parted = self._trend.parted(limit.looks, limit.rise)
        if parted is None or limit.action == "ignore":
            self._begun.discard("reward_hacking")
            return []
        if "reward_hacking" in self._begun:
            return []
        self._begun.add("reward_hacking")
        first, last = parted
        message = (
            f"guards.reward_hacking.rise = {limit.rise:g}: at step {step}, the training reward has risen from"
            f" {first.reward:.3g} to {last.reward:.3g} since the look at dev after step {first.step}, while the"
            f" accuracy on dev has not, from {first.accuracy:.3f} to {last.accuracy:.3f}; read the rollouts of the"
            " highest reward in rollouts/ and report.md, and check the verifier with task=audit"
        )
        rise = last.reward - first.reward
        return [Began(step, "reward_hacking", rise, message, limit.action == "stop")]

    def disk(self, step: int, free: int, checkpoint: int) -> list[Began]:
        """The alarm of the disk, if it begins. `free` and `checkpoint`, an estimate of its size, in bytes."""
        limit = self.settings.disk
        if limit.action == "ignore" or free >= checkpoint + limit.spare_gb * 1e9:
            self._begun.discard("disk")
            return []
        if "disk" in self._begun:
            return []
        self._begun.add("disk")
        message = (
            f"guards.disk.spare_gb = {limit.spare_gb:g}: at step {step}, {free / 1e9:.2f} GB are free for the run"
            f" directory, and the next checkpoint takes about {checkpoint / 1e9:.2f} GB; free some,"
            " or lower train.keep_checkpoints in a new run"
        )
        return [Began(step, "disk", free / 1e9, message, limit.action == "stop")]

    def state_dict(self) -> dict[str, Any]:
        """All that decides which alarms later updates raise; the clock is left out."""
        return {
            "begun": sorted(self._begun),
            "skips": self.skips,
            "beyond": self._beyond,
            "norms": self._norms,
            "trend": self._trend.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`."""
        self._begun = set(state["begun"])
        self.skips = state["skips"]
        self._beyond = dict(state["beyond"])
        self._norms = {kind: list(norms) for kind, norms in state["norms"].items()}
        self._trend.load_state_dict(state["trend"])

    def _value(self, rule: AlarmRule, line: Mapping[str, Any]) -> float | None:
        """The value that the rule looks at; None where this update says nothing of it."""
        if rule.alarm == "grad_norm":
            norm, before = line.get("grad_norm"), self._norms.get(line["kind"], [])
            usual = median(before) if len(before) >= _FEWEST else 0.0
            if norm is None or not math.isfinite(norm):  # guards.non_finite speaks of it
                return None
            return norm / usual if usual > 0 else None
        if rule.metric.startswith("outcome/"):
            # An outcome that did not occur has no key.
            return line.get(rule.metric, 0.0) if line["kind"] == "rl" else None
        value: float | None = line.get(rule.metric)
        return value

    def _slow(self, seconds: float, verifier_seconds: float) -> str:
        """How much longer the update took because of the verifier, in words; empty where that was fast."""
        if verifier_seconds < 1:
            return ""
        took = f"{verifier_seconds:.1f} of the {seconds:.1f} seconds of this step"
        text = f"; the verifier took {took}"
        usual = median(self._seconds) if self._seconds else 0.0
        if usual and seconds > 2 * usual:
            text += f", which was {seconds / usual:.0f} times slower than those before"
        return text

    def _remember(self, line: Mapping[str, Any], seconds: float) -> None:
        norm, before = line.get("grad_norm"), self._norms.get(line["kind"], [])
        if norm is not None and math.isfinite(norm):
            self._norms[line["kind"]] = [*before, norm][-_WINDOW:]
        if line["kind"] == "rl":
            if (reward := line.get("reward_mean")) is not None and math.isfinite(reward):
                self._trend.add(reward)
            self._seconds = [*self._seconds, seconds][-_WINDOW:]


def free_bytes(directory: Path) -> int:
    """The bytes that an ordinary user may still write where `directory` is, or will be."""
    return shutil.disk_usage(next(p for p in (directory, *directory.parents) if p.exists())).free
