"""Supervised fine-tuning: every update is the token-mean negative log-likelihood of expert traces.

With `factor: p` it is DFT, dynamic fine-tuning (2025, arXiv 2508.05629): the gradient of a likelihood is a policy
gradient whose weight is 1/p, so unlikely tokens dominate; the probability itself, without a gradient, takes that back.
As in the authors' code (github yongliang-wu/DFT, e153181), the sum is divided by the number of tokens, not of weights.
The learning rate then acts on less where the mean p is low, so rates must be tuned anew; where p starts near 0, as for
a foreign style, a trace is hardly learned.
"""

from collections.abc import Sequence

from hybrid_rl.methods.base import Method, MethodSettings, Plan
from hybrid_rl.methods.terms import Factor, Term, likelihood
from hybrid_rl.types import Example, Group, Update


class SftSettings(MethodSettings):
    group_size: None = None
    """Nothing is sampled."""
    factor: Factor
    """What a token's gradient is multiplied by: one is SFT, p is DFT."""

    def plan(self, steps: int) -> Plan:
        return Plan(opening=steps, fewest=steps, expected=steps)


class Sft(Method[SftSettings]):
    needs_traces = True

    @classmethod
    def composes(cls, settings: MethodSettings) -> bool:
        """SFT without a factor is computed as all other methods do it."""
        return isinstance(settings, SftSettings) and settings.factor != "one"

    def next_update(self, step: int, progress: float) -> Update:
        return Update("sft")

    def terms(
        self, step: int, update: Update, groups: Sequence[Group], demonstrations: Sequence[Example]
    ) -> list[Term]:
        rows = [likelihood(example, factor=self.settings.factor) for example in demonstrations]
        return [Term(rows, mean="token")]
