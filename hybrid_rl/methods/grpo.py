"""GRPO (Shao et al., 2024, arXiv 2402.03300): every update is RL on unguided groups.

The baseline of all hybrids. The loss itself is TRL's; its variants are settings of `train.rl`.
"""

from pydantic import Field

from hybrid_rl import types
from hybrid_rl.methods import base


class Grpo(base.Method):
    class Settings(types.Section):
        name: str
        group_size: int = Field(ge=2)
        """Rollouts per question."""
