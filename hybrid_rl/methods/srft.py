"""SRFT, single-stage supervised and reinforcement fine-tuning (2025, arXiv 2506.19767): all in one update.

The loss is the sum of three parts: SFT on demonstrations, RL on demonstrations, RL on rollouts. The entropy H of a row
sets two weights, which have no gradient: where the policy is uncertain it imitates less, .5 exp(-H), and is rewarded
more for its own successes, .1 exp(+H).

One update, for each question with a trace that verifies:

1. Sample G - 1 rollouts; the expert's solution is the last of the group, as in LUFFY.
2. .5 exp(-H) times the token mean of -log p over the expert's tokens.
3. The expert's advantage among all G, on its tokens, with LUFFY's shaped weight.
4. .1 exp(H) times -log p for a correct rollout, and log p for a wrong one; there is no baseline.

There is no code by the authors. The three parts, .5 and .1, and the signs are told alike by notes and a reviewer. From
the re-implementation in HPT's repository come: H is that of the row (whether the paper's is the policy's is not known),
the shaped weight (printed is a clip that is not active), and the baseline over all G without a spread. What deviates:

- The SFT part is the token mean of the whole batch, not of a micro-batch.
- The other parts follow `train.rl.loss`; there they are divided by 8192 (`train.rl.loss=dr_grpo` comes nearest).
- `train.rl.scale_rewards` has no effect, for no part has an advantage over a spread.

Nothing is without a gradient here: a group whose rollouts all fail is pushed down as a whole. Below H = ln 10 a failure
weighs more than a success, so the net push is one of unlikelihood: watch the entropy and the length.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.methods.luffy import has_expert, with_expert
from hybrid_rl.methods.terms import Row, Term, likelihood
from hybrid_rl.types import Attempts, Example, Group, Update


class SrftSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question, the expert's included."""
    sft_weight: float = Field(ge=0)
    """The weight of SFT at entropy 0."""
    success_weight: float = Field(ge=0)
    """The weight of an own success at entropy 0; that of a failure is -1."""
    shape: float = Field(gt=0)
    """c of the expert's p / (p + c)."""
    filter: bool
    """Whether a demonstration that fails the verifier is left out."""

    def extra_rows(self, prompts: int) -> int:
        return prompts


class Srft(Method[SrftSettings]):
    needs_traces = True
    notes: ClassVar = {"expert": Note("expert's solution", "share", of="group")}

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """Step 1."""
        settings = self.settings
        return with_expert(examples, settings.group_size, attempt, settings.filter)

    def terms(
        self, step: int, update: Update, groups: Sequence[Group], demonstrations: Sequence[Example]
    ) -> list[Term]:
        """Steps 2 to 4."""
        settings = self.settings
        taught: list[Row] = []
        joint: list[Row] = []
        for group in groups:
            own, mean = group.rollouts, fmean(one.verdict.reward for one in group.rollouts)
            context = group.example.prompt_ids
            if has_expert(group):
                taught.append(likelihood(group.example, weight=settings.sft_weight, entropy=-1.0))
                own, expert = own[:-1], own[-1]
                lead = expert.verdict.reward - mean
                shaped = Row(
                    group.example, context, expert.completion,
                    weight=lead, factor="shaped", shape=settings.shape, expert=True,
                )  # fmt: skip
                joint.append(shaped)
            for one in own:
                weight, entropy = (
                    (settings.success_weight, 1.0) if one.verdict.correct else (-1.0, 0.0)
                )
                joint.append(
                    Row(group.example, context, one.completion, weight=weight, entropy=entropy)
                )
        return [Term(taught, mean="token", name="sft"), Term(joint, name="rl")]
