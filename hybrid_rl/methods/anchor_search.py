"""Episode Anchor Search of BREAD (2025, arXiv 2506.17211): which prefix of an expert's solution to try next.

A search is a value: it knows success rates of prefixes, and no rollout, no question and no setting.
"""

from dataclasses import dataclass, replace
from typing import Literal

Order = Literal["bisect", "first_in_range", "linear", "random"]
Probe = tuple[int, float]
"""A k that was tried, and the share of correct rollouts there."""


@dataclass(frozen=True)
class AnchorSearch:
    """A search over the prefixes P_lo .. P_hi of an expert's solution; `step` returns the next one."""

    hi: int
    """The longest prefix still to be tried, K_max at first; 0: there is nothing to try."""
    tau_lo: float
    tau_hi: float
    order: Order = "bisect"
    first: int | None = None
    """The k to probe first; None: what the order says."""
    most: int | None = None
    """The number of probes after which the search ends; None: no limit."""
    lo: int = 1
    best: int | None = None
    """The k of the shortest prefix in range so far."""
    mixed: int | None = None
    """The k of the shortest prefix so far after which some rollouts were correct and some were not."""
    probes: tuple[Probe, ...] = ()

    @property
    def done(self) -> bool:
        enough = self.best is not None and self.order != "bisect"
        return self.lo > self.hi or enough or len(self.probes) == self.most

    @property
    def cut(self) -> int:
        """The k of the prefix to probe next."""
        if not self.probes and self.first is not None:
            return self.first
        return self.lo if self.order == "linear" else (self.lo + self.hi) // 2

    @property
    def chosen(self) -> int | None:
        """The anchor: the shortest prefix in range, else the shortest mixed one."""
        return self.mixed if self.best is None else self.best

    def step(self, rate: float) -> "AnchorSearch":
        """The search after `rate` of the rollouts from P_cut were correct."""
        k = self.cut
        lo, hi, best, mixed = self.lo, self.hi, self.best, self.mixed
        if 0 < rate < 1 and (mixed is None or k < mixed):
            mixed = k
        if rate < self.tau_lo:
            lo = k + 1  # too hard: longer
        elif rate > self.tau_hi:
            hi = k - 1  # too easy: shorter
        else:
            best, hi = k, k - 1
        probes = (*self.probes, (k, rate))
        return replace(self, lo=lo, hi=hi, best=best, mixed=mixed, probes=probes)


def most_probes(longest: int, order: Order, warm_start: bool, limit: int | None) -> int:
    """The most probes that any search over P_1 .. P_`longest` takes, and never more than `limit`; None: no limit."""
    if longest == 0:
        return 0
    if order == "random":
        needed = 1
    elif order == "linear":
        needed = longest
    elif warm_start:
        needed = 1 + (longest - 1).bit_length()
    else:
        needed = longest.bit_length()  # floor(log2) + 1
    return needed if limit is None else min(needed, limit)
