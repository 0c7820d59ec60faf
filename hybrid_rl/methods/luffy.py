"""LUFFY (2025, arXiv 2504.14945): the demonstration is one of the rollouts, and unlikely tokens of it still learn.

It earns the advantage of a success where rollouts fail, and none where all succeed, so imitation fades by itself. Its
importance weight p is shaped to p / (p + c): the gradient of an expert token is c p / (p + c)^2 of a likelihood's, at
most a quarter of it, most where p = c, and 1 % of it where p = .001.

One update, for each question with a trace that verifies:

1. Sample G - 1 rollouts; the expert's solution, ended and graded as they are, is the last of the group.
2. Advantages among all G, the expert's included.
3. GRPO on the rollouts; the expert's tokens have the shaped weight. No clip is active, for the ratio is 1.

Where this deviates from the authors' code (github ElliottYan/LUFFY, 01f4ae0):

- A trace that fails the verifier is left out, and its group is plain GRPO on all it has (`filter`).
- A question without a trace has G rollouts of its own; the code drops it.
- The normaliser and the scale of advantages are settings; the code has `train.rl.loss=dr_grpo
  train.rl.scale_rewards=none`, a fixed 8192 in place of the length limit, and does not divide by rows.
- One optimizer step per batch of rollouts instead of two, each of a half. With `train.rl.updates_per_batch=2
  train.rl.clip=none` there are two, each of the whole batch.
- An entropy bonus of .001 (`train.rl.entropy_bonus`) is off; where it is on, it falls on expert tokens too, as there.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import ClassVar

from pydantic import Field

from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.methods.terms import Factor, Row, Term, judged, left_out
from hybrid_rl.types import Attempt, Attempts, Example, Group, Update


class LuffySettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question, the expert's included."""
    shape: float = Field(gt=0)
    """c of p / (p + c): the probability at which an expert token learns most."""
    factor: Factor
    """shaped is LUFFY; one, a control, learns the demonstration as if it had been sampled."""
    filter: bool
    """Whether a demonstration that fails the verifier is left out of its group; else it is unlearned where others
    succeed."""


def with_expert(
    examples: Sequence[Example], size: int, attempt: Attempts, filters: bool
) -> list[Group]:
    """Groups of `size` with the expert's solution as the last, in one call; noted in `expert`, or why it is not there.

    A question without a trace has as many rollouts of its own.
    """
    own = [size - (example.trace is not None) for example in examples]
    sampled = [Attempt(e) for e, n in zip(examples, own, strict=True) for _ in range(n)]
    given = [Attempt(e, completion=e.trace.ids) for e in examples if e.trace is not None]
    rollouts = attempt([*sampled, *given])
    drawn, experts = iter(rollouts[: len(sampled)]), iter(rollouts[len(sampled) :])
    groups = []
    for example, count in zip(examples, own, strict=True):
        group = Group(example, tuple(islice(drawn, count)), note={"expert": "no trace"})
        if count < size:
            expert = next(experts)
            word = "in group" if expert.verdict.correct or not filters else "fails the verifier"
            if word == "in group":
                group = replace(group, rollouts=(*group.rollouts, expert))
            group = replace(group, note={"expert": word})
        groups.append(group)
    return groups


def has_expert(group: Group) -> bool:
    """Whether the last rollout of a group of `with_expert` is the expert's."""
    return bool(group.note["expert"] == "in group")


class Luffy(Method[LuffySettings]):
    needs_traces = True
    notes: ClassVar = {
        "expert": Note("expert's solution", "share", of="group"),
        "expert_advantage": Note(
            "reward of the expert's solution above its group's mean", "mean", of="group"
        ),
    }

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """Step 1."""
        settings = self.settings
        groups = with_expert(examples, settings.group_size, attempt, settings.filter)
        return [_noted(group) for group in groups]

    def terms(
        self, step: int, update: Update, groups: Sequence[Group], demonstrations: Sequence[Example]
    ) -> list[Term]:
        """Steps 2 and 3."""
        rows: list[Row] = []
        for group in groups:
            own = judged(group)
            if has_expert(group):
                shaped = replace(
                    own[-1], factor=self.settings.factor, shape=self.settings.shape, expert=True
                )
                own[-1] = shaped
            missing = self.settings.group_size - len(own)
            rows += [*own, *[left_out(own[0])] * missing]
        return [Term(rows)]


def _noted(group: Group) -> Group:
    if not has_expert(group):
        return group
    rewards = [rollout.verdict.reward for rollout in group.rollouts]
    return replace(
        group, note={**group.note, "expert_advantage": rewards[-1] - sum(rewards) / len(rewards)}
    )
