"""GRPO (Shao et al., 2024, arXiv 2402.03300): every update is RL on unguided groups.

It is the baseline of all hybrids. The loss itself is TRL's; its variants are settings of `train.rl`.
"""

from pydantic import Field

from hybrid_rl.methods.base import Method, MethodSettings


class GrpoSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """Rollouts per question."""


class Grpo(Method[GrpoSettings]):
    """All that GRPO decides is what `Method` does where nothing is overridden."""
