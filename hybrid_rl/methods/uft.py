"""UFT, unifying supervised and reinforcement fine-tuning (2025, arXiv 2505.16984): rollouts go on from a hint.

The hint is a random number of steps of the expert's solution, which falls to none over the run. Its likelihood is added
to the RL loss, so that a hint teaches also where RL has no signal.

One update, when a share t of the run is over, for each question with a trace:

1. k ~ Binomial(5, pi), pi = .05 + .9 (1 + cos(pi t / T)) / 2 for t <= T = .6; afterwards k = 0.
2. The hint is the first k of the solution's 5 chunks; all G rollouts of the question go on from it.
3. GRPO on the rollouts, their hint being context, plus .001 times the token mean of -log p over the hints.

Where this deviates from the authors' code (github liumy2010/UFT, ad3c8ec):

- Chunks are those of `episodes.py`, which never gives the answer away; there k = 5 shows all.
- The likelihood is the token mean over the batch, once for each group, not the mean of those of micro-batches.
- A budget may end the run: T is a share of it, 300 of 500 steps there.
- A KL of .001 and an entropy bonus of .001 (`train.rl.beta`, `train.rl.entropy_bonus`) are off.
"""

import random
from collections.abc import Sequence
from itertools import islice
from typing import ClassVar

from pydantic import Field

from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.methods.curves import falling
from hybrid_rl.methods.episodes import episode_cuts
from hybrid_rl.methods.terms import Row, Term, judged
from hybrid_rl.types import Attempt, Attempts, Example, Group, Ids, Update


class UftSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question, all from one hint."""
    chunks: int = Field(ge=2)
    """Most chunks of a solution, and the trials of the binomial draw."""
    first: float = Field(ge=0, le=1)
    """The probability of a chunk at the begin of a run."""
    last: float = Field(ge=0, le=1)
    """The probability of a chunk when hints end."""
    hinted: float = Field(gt=0, le=1)
    """T: the share of the run in which there are hints."""
    hint_scale: float = Field(ge=0)
    """The weight of the likelihood of hints."""

    def extra_rows(self, prompts: int) -> int:
        return prompts


def probability(progress: float, settings: UftSettings) -> float:
    """pi, the probability of each chunk; 0 once hints have ended."""
    if progress > settings.hinted:
        return 0.0
    return falling(progress / settings.hinted, settings.first, settings.last)


class Uft(Method[UftSettings]):
    needs_traces = True
    notes: ClassVar = {
        "pi": Note("probability of a chunk of the hint", "share"),
        "prefix_share": Note("share of the expert's trace given (hint)", "share", of="group"),
    }
    pi = 0.0
    """The probability of a chunk, of the update at hand."""

    def next_update(self, step: int, progress: float) -> Update:
        self.pi = probability(progress, self.settings)
        return Update("rl", note={"pi": self.pi})

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """Steps 1 and 2."""
        size = self.settings.group_size
        hints = [self._hint(step, example) for example in examples]
        asked = list(zip(examples, hints, strict=True))
        rollouts = iter(
            attempt([Attempt(e, prefix=hint) for e, hint in asked for _ in range(size)])
        )
        return [
            Group(e, tuple(islice(rollouts, size)), hint, note={"prefix_share": _share(e, hint)})
            for e, hint in asked
        ]

    def terms(
        self, step: int, update: Update, groups: Sequence[Group], demonstrations: Sequence[Example]
    ) -> list[Term]:
        """Step 3."""
        hints = [
            Row(group.example, group.example.prompt_ids, group.prefix, expert=True)
            for group in groups
            if group.prefix
        ]
        sampled = [row for group in groups for row in judged(group)]
        return [
            Term(sampled, name="rl"),
            Term(hints, scale=self.settings.hint_scale, mean="token", name="hints"),
        ]

    def _hint(self, step: int, example: Example) -> Ids:
        if example.trace is None or not self.pi:
            return ()
        cuts = (0, *episode_cuts(example.trace, self.settings.chunks))
        draw = random.Random(f"{self.seed}-{step}-{example.id}")
        k = sum(draw.random() < self.pi for _ in range(self.settings.chunks))
        return example.trace.ids[: cuts[min(k, len(cuts) - 1)]]


def _share(example: Example, hint: Ids) -> float:
    return round(len(hint) / len(example.trace.ids), 4) if example.trace is not None else 0.0
