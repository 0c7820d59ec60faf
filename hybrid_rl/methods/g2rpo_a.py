"""G2RPO-A, guided GRPO with adaptive guidance (2025, arXiv 2508.13023): some rollouts of each group are guided.

They start with the first tokens of an expert's solution, which are part of the completion: they are trained with its
advantage, as if they had been sampled. The length of the guidance follows the rewards.

One update, for each question with a trace:

1. Sample G - n rollouts from q, and n from q and the first ell tokens of the trace.
2. Advantages among all G. A guided rollout's prefix and continuation both have its advantage.
3. Every third update: a_3 is its share of correct rollouts, m the mean of those of the two before. Where a_3 < m,
   ell = int(min(ell m / a_3, most)); where a_3 > m, ell = max(int(ell m / a_3), 1); where one is 0, ell stays.

Where this deviates from the authors' code (github T-Lab-CUHKSZ/G2RPO-A, 0d98af8), of which it is doubtful that the
paper ran it, for its list of 2 guided rollouts in 12 is hard-coded beside a file that says 10:

- Guidance is of the trace as it is; there of its thinking part. It ends before the statement of the answer.
- Prefix and continuation are two rows, each with a mean of its own by `train.rl.loss=grpo`; there they are one.
- A KL (`train.rl.beta`) is off.

The share of correct rollouts counts guided ones, as there, so ell feeds back on itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import ClassVar, Self

from pydantic import Field, model_validator

from hybrid_rl.methods.adaback import guidable
from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.methods.terms import Row, Term, judged
from hybrid_rl.types import Attempt, Attempts, Example, Examples, Group, Ids, Result, Update


class G2rpoASettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question, the guided ones included."""
    guided: int = Field(ge=1)
    """n: rollouts of a group that are guided."""
    first_tokens: int = Field(ge=1)
    """The length of the guidance at the begin of a run."""
    most_tokens: int = Field(ge=1)
    """The longest guidance."""

    @model_validator(mode="after")
    def _some_are_not(self) -> Self:
        if self.guided >= self.group_size:
            raise ValueError(
                f"guided = {self.guided}: must be below group_size = {self.group_size}, so that some rollouts are not"
            )
        return self

    def extra_rows(self, prompts: int) -> int:
        return prompts * self.guided


def adapted(tokens: int, rates: Sequence[float], most: int) -> int:
    """The length of guidance after three updates of these shares of correct rollouts, step 3."""
    mean, last = (rates[0] + rates[1]) / 2, rates[2]
    if mean == 0 or last == 0:
        return tokens
    if last < mean:
        return int(min(tokens * mean / last, most))
    return max(int(tokens * mean / last), 1) if last > mean else tokens


class G2rpoA(Method[G2rpoASettings]):
    needs_traces = True
    remembered = "tokens rates"
    notes: ClassVar = {
        "tokens": Note("most tokens of guidance, ell", "mean"),
        "prefix_share": Note("share of the expert's trace given", "share", of="group"),
    }

    def __init__(self, settings: G2rpoASettings, examples: Examples, seed: int, steps: int) -> None:
        super().__init__(settings, examples, seed, steps)
        self.tokens = settings.first_tokens
        """ell."""
        self.rates: list[float] = []
        """The shares of correct rollouts since the length was last looked at."""

    def next_update(self, step: int, progress: float) -> Update:
        return Update("rl", note={"tokens": self.tokens})

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """Step 1: a group of rollouts from each question, and one of the guided ones behind it."""
        size = self.settings.group_size
        prefixes = [self._prefix(example) for example in examples]
        counts = [self.settings.guided if prefix else 0 for prefix in prefixes]
        asked = list(zip(examples, prefixes, counts, strict=True))
        wanted = [
            Attempt(example, prefix=prefix if place >= size - count else ())
            for example, prefix, count in asked
            for place in range(size)
        ]
        rollouts = iter(attempt(wanted))
        groups = []
        for example, prefix, count in asked:
            groups.append(Group(example, tuple(islice(rollouts, size - count))))
            if prefix and example.trace is not None:
                note = {"prefix_share": round(len(prefix) / len(example.trace.ids), 4)}
                groups.append(Group(example, tuple(islice(rollouts, count)), prefix, note=note))
        return groups

    def observe_results(self, step: int, results: Sequence[Result]) -> None:
        """Step 3."""
        self.rates.append(sum(one.correct for one in results) / sum(one.size for one in results))
        if len(self.rates) == 3:
            self.tokens = adapted(self.tokens, self.rates, self.settings.most_tokens)
            self.rates = []

    def terms(
        self, step: int, update: Update, groups: Sequence[Group], demonstrations: Sequence[Example]
    ) -> list[Term]:
        """Step 2."""
        rows: list[Row] = []
        peers = ""
        for group in groups:
            own = judged(group)
            peers = peers if group.prefix else own[0].peers
            for row in own:
                row = replace(row, peers=peers)
                rows.append(row)
                if group.prefix:
                    start = replace(row, context=group.example.prompt_ids, target=group.prefix)
                    rows.append(replace(start, in_baseline=False, expert=True))
        return [Term(rows)]

    def _prefix(self, example: Example) -> Ids:
        return (
            example.trace.ids[: min(self.tokens, guidable(example.trace))] if example.trace else ()
        )
