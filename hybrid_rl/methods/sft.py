"""Supervised fine-tuning: every update is the token-mean negative log-likelihood of expert traces."""

from typing import Any

from hybrid_rl import types
from hybrid_rl.methods import base


class Sft(base.Method):
    needs_traces = True
    needs_rollouts = False

    class Settings(types.Section):
        name: str

    def next_update(self, step: int) -> types.Update:
        return types.Update("sft")

    @classmethod
    def expected_sft_steps(cls, settings: Any, steps: int) -> int:
        return steps
