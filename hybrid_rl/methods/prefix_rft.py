"""Prefix-RFT (2025, arXiv 2507.01679): one rollout of each group goes on from a prefix of the demonstration.

The whole hybrid trajectory, prefix and continuation, is trained by its reward. A schedule shortens prefixes. Of the
prefix only the tokens of highest entropy learn, or imitation would drown RL.

One update, when a share t of the run is over, for each question with a trace e:

1. low = .05 + .9 (1 + cos(pi t)) / 2; l ~ U[low, .95]; the prefix is int(l |e|) tokens, at most |e| - 1.
2. Sample G - 1 rollouts from q, and one from q and the prefix.
3. m is the mean reward of the G - 1; a rollout has A = R - m.
4. The prefix has A = R - m, on the tokens of highest entropy; all of its tokens count in the mean.
5. The continuation has A = R, for a group of one has baseline 0 (`continuation: own`), or R - m (`shared`).

Where this deviates from the authors' code (github ZeroYuHuang/prefix_rft, 5f5d2a1). It lacks the configuration of any
published run, so it is not known which of its estimators was run; this is `dr_grpo_prefix`.

- Entropies are ranked within a row, not within a micro-batch, so that no cut of the batch changes the gradient.
- A hybrid trajectory is two rows, prefix and continuation. With `train.rl.loss=grpo` each has a mean of its own.
- The prefix is cut token ids; the code decodes and encodes it again.
- `dr_grpo_prefix_v2` there gives the prefix 0 - m, by a score that was overwritten; it is not here.
- Reproduction: `train.rl.loss=dr_grpo train.rl.scale_rewards=none`. With another scale, R - m is divided by the spread.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.methods.curves import falling
from hybrid_rl.methods.terms import Row, Term, judged
from hybrid_rl.types import Attempt, Attempts, Example, Group, Ids, Update


class PrefixRftSettings(MethodSettings):
    group_size: int = Field(ge=3)
    """G: rollouts per question, one of them from a prefix."""
    low_first: float = Field(ge=0, le=1)
    """The shortest prefix at the begin of a run, as a share of the expert's tokens."""
    low_last: float = Field(ge=0, le=1)
    """The shortest prefix at its end."""
    high: float = Field(gt=0, le=1)
    """The longest prefix, throughout."""
    min_prefix_tokens: int = Field(ge=1)
    keep: float = Field(gt=0, le=1)
    """Share of a prefix's tokens, those of highest entropy, that learn."""
    continuation: Literal["own", "shared"]
    """The baseline of a continuation: none, or that of the other rollouts."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if max(self.low_first, self.low_last) > self.high:
            raise ValueError(
                f"low_first = {self.low_first}, low_last = {self.low_last}: neither may exceed high = {self.high}"
            )
        return self

    def extra_rows(self, prompts: int) -> int:
        return prompts


class PrefixRft(Method[PrefixRftSettings]):
    needs_traces = True
    notes: ClassVar = {
        "low": Note("least share of a trace given", "share"),
        "prefix_share": Note("share of the expert's trace given", "share", of="group"),
    }
    progress = 0.0
    """The share of the run that is over, of the update at hand."""

    def next_update(self, step: int, progress: float) -> Update:
        self.progress = progress
        return Update("rl", note={"low": self._low()})

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """Steps 1 and 2: a group of rollouts from each question, and one of the guided rollout behind it."""
        size = self.settings.group_size
        prefixes = [self._prefix(step, example) for example in examples]
        wanted = [
            Attempt(e, prefix=prefix if place == size - 1 else ())
            for e, prefix in zip(examples, prefixes, strict=True)
            for place in range(size)
        ]
        rollouts = iter(attempt(wanted))
        groups = []
        for example, prefix in zip(examples, prefixes, strict=True):
            own = tuple(islice(rollouts, size - bool(prefix)))
            groups.append(Group(example, own))
            if prefix and example.trace is not None:
                share = round(len(prefix) / len(example.trace.ids), 4)
                guided = tuple(islice(rollouts, 1))
                groups.append(Group(example, guided, prefix, note={"prefix_share": share}))
        return groups

    def terms(
        self, step: int, update: Update, groups: Sequence[Group], demonstrations: Sequence[Example]
    ) -> list[Term]:
        """Steps 3 to 5."""
        rows: list[Row] = []
        peers = ""
        for group in groups:
            if not group.prefix:
                own = judged(group)
                rows, peers = rows + own, own[0].peers
                continue
            (one,), context = group.rollouts, group.example.prompt_ids + group.prefix
            prefix = Row(
                group.example,
                group.example.prompt_ids,
                group.prefix,
                reward=one.verdict.reward,
                peers=peers,
                in_baseline=False,
                keep=self.settings.keep,
                expert=True,
            )
            y = replace(prefix, context=context, target=one.completion, keep=1.0, expert=False)
            if self.settings.continuation == "own":
                y = replace(y, reward=None, weight=one.verdict.reward, ratio=True)
            rows += [prefix, y]
        return [Term(rows)]

    def _low(self) -> float:
        return falling(self.progress, self.settings.low_first, self.settings.low_last)

    def _prefix(self, step: int, example: Example) -> Ids:
        """The prefix of step 1; none without a trace of two tokens."""
        if example.trace is None or len(example.trace.ids) < 2:
            return ()
        share = random.Random(f"{self.seed}-{step}-{example.id}").uniform(
            self._low(), self.settings.high
        )
        length = max(int(share * len(example.trace.ids)), self.settings.min_prefix_tokens)
        return example.trace.ids[: min(length, len(example.trace.ids) - 1)]
