"""Supervised fine-tuning: every update is the token-mean negative log-likelihood of expert traces."""

from hybrid_rl.methods.base import Method, MethodSettings, Plan
from hybrid_rl.types import Update


class SftSettings(MethodSettings):
    group_size: None = None
    """Nothing is sampled."""

    def plan(self, steps: int) -> Plan:
        return Plan(opening=steps, fewest=steps, expected=steps)


class Sft(Method[SftSettings]):
    needs_traces = True

    def next_update(self, step: int, progress: float) -> Update:
        return Update("sft")
