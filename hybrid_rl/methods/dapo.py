"""DAPO's dynamic sampling (2025, arXiv 2503.14476): questions are drawn until enough groups are mixed.

It is no hybrid. It is the control that spends on better groups what guided methods spend on hints. The other parts of
DAPO are settings of the loss: `train.rl.loss=dapo` is its token mean; its wider clip is `train.rl.epsilon_high=0.28`,
for several updates on each batch (`train.rl.updates_per_batch`).

One update, for B questions on a rank:

1. Draw `pool` candidates for each, of which each of `rounds` rounds samples a part, while fewer than B are mixed.
2. The first B mixed groups, which have correct and wrong rollouts, are the groups of a GRPO update.
3. Where there are fewer, others fill up and are not trained on.

Where this deviates from the authors' recipe in verl: it draws at most 10 rounds of 3B candidates and then stops with an
error; here the update is smaller. The quota is each rank's own, and what a rank has too many of is lost, as there.
Candidates that were not sampled do not come again before the next pass over the training set.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self

from pydantic import Field, model_validator

from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.types import Attempts, Example, Group


class DapoSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question."""
    pool: int = Field(ge=1)
    """Candidates for each question of an update."""
    rounds: int = Field(ge=1)
    """Most rounds of sampling, each of an equal part of the candidates."""

    @property
    def candidates(self) -> int:
        return self.pool

    @property
    def extra_rollouts(self) -> int:
        return (self.pool - 1) * self.group_size

    @model_validator(mode="after")
    def _a_round_samples(self) -> Self:
        if self.rounds > self.pool:
            raise ValueError(
                f"rounds = {self.rounds}: with pool = {self.pool} candidates per question, a round would sample less"
                f" than an update needs; at most {self.pool}"
            )
        return self


class Dapo(Method[DapoSettings]):
    notes: ClassVar = {
        "mixed": Note("groups of an update that are mixed", "share", of="group"),
        "drawn": Note("questions sampled for each of an update", "mean", of="group"),
    }

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """Steps 1 to 3. Every rank samples in every round, if only nothing: the number of calls is fixed."""
        wanted, rounds = len(examples) // self.settings.pool, self.settings.rounds
        found: list[Group] = []
        for place in range(rounds):
            first, end = (len(examples) * part // rounds for part in (place, place + 1))
            enough = sum(map(_mixed, found)) >= wanted
            found += super().rollout(step, [] if enough else examples[first:end], attempt)
        kept = [group for group in found if _mixed(group)][:wanted]
        others = [group for group in found if not _mixed(group)]
        filling = [replace(group, trained=False) for group in others[: wanted - len(kept)]]
        drawn = len(found) / max(1, wanted)
        return [replace(g, note={"mixed": g.trained, "drawn": drawn}) for g in [*kept, *filling]]


def _mixed(group: Group) -> bool:
    return 0 < group.correct < len(group.rollouts)
