"""HPT, hybrid post-training (2025, arXiv 2509.04419): per question RL where the model succeeds, else SFT.

SFT and RL are gradients of one objective, so each question takes the one that has a signal. The gate is the number of
correct rollouts. SuperRL in its second version (arXiv 2506.01096) is HPT with `gate: 0`.

One update, for each question:

1. Sample a group of G rollouts; s of them are correct.
2. s > gate: GRPO on the group; the demonstration is not used.
3. Else all G rollouts leave the batch, and one row, the demonstration, enters it. A question without a trace stays RL.

Where this deviates from the authors' code (github TsinghuaC3I/Unify-Post-Training, ae332f5):

- The normaliser. There a demonstration weighs beta times one token mean of its micro-batch, so its weight depends on
  how many share it. Here every question weighs 1/B, by loss `grpo`: the row of a demonstration counts as its G
  rollouts would, times `sft_scale`. It is the published formula, alpha L_RL + beta L_SFT with one of the two 1, per
  question.
- The scale of advantages is a setting; the code has none (`train.rl.scale_rewards=none`, `train.rl.loss=dr_grpo`).
- One optimizer step per batch of rollouts instead of one or two, each of a part; `train.rl.updates_per_batch` has more,
  each of the whole batch. No step is skipped for a large norm.
- An entropy bonus of .001 (`train.rl.entropy_bonus`) is off.
- The third branch of the code, a demonstration as a LUFFY row, is off in its released scripts and not here.

The gate is noisy: with G = 8 a question of success rate .1 is taken for hopeless in 43 % of its visits.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.methods.terms import Row, Term, judged, left_out, likelihood
from hybrid_rl.types import Attempts, Example, Group, Update


class HptSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question."""
    gate: int = Field(ge=0)
    """The most correct rollouts with which a question is learned from its demonstration."""
    sft_scale: float = Field(gt=0)
    """What a demonstration weighs, in groups of rollouts."""
    control: Literal["random"] | None
    """null is HPT; `random` gates as many questions of the same batch, drawn without a look at their rewards."""

    @model_validator(mode="after")
    def _gate_below_group(self) -> Self:
        if self.gate >= self.group_size:
            raise ValueError(
                f"gate = {self.gate}: with group_size = {self.group_size} every question would be SFT;"
                f" at most {self.group_size - 1}"
            )
        return self


class Hpt(Method[HptSettings]):
    needs_traces = True
    notes: ClassVar = {"gated": Note("learned from the demonstration", "share", of="group")}

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """Step 1, and the gate of steps 2 and 3, in the note of each group."""
        groups = super().rollout(step, examples, attempt)
        traced = [place for place, group in enumerate(groups) if group.example.trace is not None]
        gated = [place for place in traced if groups[place].correct <= self.settings.gate]
        if self.settings.control == "random":
            # The questions differ by rank, and so does what is drawn.
            draw = random.Random(f"{self.seed}-{step}-{examples[0].id if examples else ''}")
            gated = draw.sample(traced, len(gated))
        return [replace(g, note={"gated": place in gated}) for place, g in enumerate(groups)]

    def terms(
        self, step: int, update: Update, groups: Sequence[Group], demonstrations: Sequence[Example]
    ) -> list[Term]:
        """Steps 2 and 3; the rollouts that leave still count as rows, so that every question has one weight."""
        rows: list[Row] = []
        for group in groups:
            own = judged(group)
            if group.note["gated"]:
                taught = likelihood(group.example, weight=self.settings.sft_scale * len(own))
                own = [taught, *map(left_out, own[1:])]
            rows += own
        return [Term(rows)]
