"""AdaBack, adaptive backtracking (2025, arXiv 2506.18110): each question has its own range of prefix lengths.

Rollouts go on from a prefix of the solution whose share is drawn from an interval of the question. A failure drops all
shorter prefixes, a success all longer ones, so a question's prefix shortens as it is learned. The prefix is context.

One update, for each question with a trace, whose interval [lo, hi] begins as [0, 1]:

1. rho ~ U(lo, hi), or 0 with probability `zero`; all G rollouts of the question go on from the share rho of the trace.
2. GRPO on the rollouts.
3. With r the share of correct rollouts: r < tau: lo = rho; else hi = rho and lo = 0.

There is no code by the authors. The rule is quoted from their section 2.1 by a third party, whose tau and `zero` these
are; both are unknown for the paper. What we chose ourselves:

- r counts correct rollouts; the rule speaks of the mean reward.
- lo may grow to hi and would stay: where a failure leaves less than `gap`, hi returns to 1.
- The share is of the tokens before the statement of the answer, which is never given away.
"""

import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import ClassVar, NamedTuple

from pydantic import Field

from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.types import Attempt, Attempts, Example, Examples, Group, Json, Result, Trace


class AdabackSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question, all from one prefix."""
    tau: float = Field(gt=0, le=1)
    """The least share of correct rollouts with which a prefix was long enough."""
    zero: float = Field(ge=0, le=1)
    """The probability of no prefix at all."""
    gap: float = Field(ge=0, lt=1)
    """The narrowest interval that a failure may leave; a narrower one opens up to 1 again."""


class Interval(NamedTuple):
    """The shares of a question's trace among which the next prefix is drawn."""

    lo: float = 0.0
    hi: float = 1.0

    def after(self, rho: float, rate: float, settings: AdabackSettings) -> "Interval":
        """The interval once rollouts from the share `rho` were correct at `rate`, line 3."""
        if rate >= settings.tau:
            return Interval(0.0, rho)
        return Interval(rho, 1.0 if self.hi - rho < settings.gap else self.hi)


def guidable(trace: Trace) -> int:
    """The tokens before the statement of the answer, of which a prefix may consist; one token is always left."""
    return min(bisect_right(trace.ends, trace.answer_start), len(trace.ids) - 1)


class Adaback(Method[AdabackSettings]):
    needs_traces = True
    notes: ClassVar = {
        "rho": Note("share drawn (rho)", "share", of="group"),
        "prefix_share": Note("share of the expert's trace given", "share", of="group"),
    }

    def __init__(
        self, settings: AdabackSettings, examples: Examples, seed: int, steps: int
    ) -> None:
        super().__init__(settings, examples, seed, steps)
        self.intervals: dict[str, Interval] = {}

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """Step 1."""
        size = self.settings.group_size
        shares = [self._rho(step, example) for example in examples]
        asked = [
            Attempt(e, prefix=e.trace.ids[: int(rho * guidable(e.trace))] if e.trace else ())
            for e, rho in zip(examples, shares, strict=True)
        ]
        rollouts = iter(attempt([one for one in asked for _ in range(size)]))
        groups = []
        for one, rho in zip(asked, shares, strict=True):
            note: dict[str, Json] = {}
            if one.example.trace is not None:
                note = {
                    "rho": rho,
                    "prefix_share": round(len(one.prefix) / len(one.example.trace.ids), 4),
                }
            groups.append(Group(one.example, tuple(islice(rollouts, size)), one.prefix, note=note))
        return groups

    def observe_results(self, step: int, results: Sequence[Result]) -> None:
        """Step 3, for the questions of all ranks."""
        for one in results:
            if "rho" in one.note:
                before = self.intervals.get(one.example_id, Interval())
                after = before.after(one.note["rho"], one.correct / one.size, self.settings)
                self.intervals[one.example_id] = after

    def state_dict(self) -> dict[str, Json]:
        return {"intervals": {key: list(value) for key, value in self.intervals.items()}}

    def load_state_dict(self, state: Mapping[str, Json]) -> None:
        self.intervals = {key: Interval(*value) for key, value in state["intervals"].items()}

    def _rho(self, step: int, example: Example) -> float:
        lo, hi = self.intervals.get(example.id, Interval())
        draw = random.Random(f"{self.seed}-{step}-{example.id}")
        return 0.0 if draw.random() < self.settings.zero else draw.uniform(lo, hi)
