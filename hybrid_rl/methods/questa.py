"""QuestA (2025, arXiv 2507.13266): hard questions come with a part of their solution, half of it and then a quarter.

The part is context and never in the loss. Nothing adapts: the share belongs to the phase of the run.

One update, when a share t of the run is over, for each question with a trace: all G rollouts go on from the share
`first` of the trace where t < `until`, and from `second` later; GRPO on them.

Where this deviates from the authors' code (github foreverlasting1202/QuestA, 3c7be00):

- The part follows the prompt as the begin of the answer; there it is a hint within the question.
- It is cut by tokens; there by characters, and of what follows the thinking part.
- It ends before the statement of the answer; there a solution that states the answer early leaks it.
- Both phases are one run; there the second starts from the result of the first.
- Hard questions are a choice of data (`data.train`), which the authors make before.
"""

from collections.abc import Sequence
from itertools import islice
from typing import ClassVar

from pydantic import Field

from hybrid_rl.methods.adaback import guidable
from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.types import Attempt, Attempts, Example, Group, Ids, Update


class QuestaSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question, all from one part of its solution."""
    first: float = Field(ge=0, le=1)
    """The share of the trace that is given in the first phase."""
    second: float = Field(ge=0, le=1)
    """The share that is given in the second phase."""
    until: float = Field(gt=0, le=1)
    """The share of the run after which the second phase begins."""


class Questa(Method[QuestaSettings]):
    needs_traces = True
    notes: ClassVar = {"share": Note("share of a trace given", "share")}
    share = 0.0
    """The share of the update at hand."""

    def next_update(self, step: int, progress: float) -> Update:
        settings = self.settings
        self.share = settings.first if progress < settings.until else settings.second
        return Update("rl", note={"share": self.share})

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        size = self.settings.group_size
        asked = [Attempt(example, prefix=self._part(example)) for example in examples]
        rollouts = iter(attempt([one for one in asked for _ in range(size)]))
        return [Group(one.example, tuple(islice(rollouts, size)), one.prefix) for one in asked]

    def _part(self, example: Example) -> Ids:
        trace = example.trace
        if trace is None:
            return ()
        return trace.ids[: min(int(self.share * len(trace.ids)), guidable(trace))]
