"""Boundaries for looking at a comparison more than once: how sure each look must be so that all together err rarely.

Whoever tests after 3 seeds, then after 4, then after 5, and stops at the first p below .05, errs in far more than 5 %
of studies without a difference. Lan and DeMets ("Discrete sequential boundaries for clinical trials", 1983) fix a
function that says how much of the error level is spent by each share of the planned seeds. The boundary of a look
follows from what the looks before it have spent, so neither their number nor their times need be known beforehand.

The theory is that of a normal mean with known variance: sums over disjoint seeds add up, so the statistic at a share t
of the information is a Brownian motion at t, divided by the square root of t. A t statistic is held against the same
nominal level (`t_boundaries`), as Jennison and Turnbull advise ("Group sequential methods", 2000, section 4.4). This
file knows numbers: no run and no arm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import e, inf, log1p, sqrt
from typing import Literal

import numpy as np
from scipy import optimize, special

from hybrid_rl.evaluation.statistics import Array

Spending = Literal["obrien_fleming", "pocock"]
_NODES = 200  # of the Gauss-Legendre rule; 100 give the same boundaries to 1e-9
_FARTHEST = 9.0  # standard errors; what lies beyond is less than 1e-18
_LEAST = 1e-15  # an error level below cannot be told from rounding: such a look has no boundary


def spent(share: float, alpha: float, spending: Spending) -> float:
    """The two-sided error level that may be spent by a share of the information; all of `alpha` at 1.

    `obrien_fleming` spends next to nothing early: 2 - 2 Phi(z(a/2) / sqrt(share)) on each side, where a = alpha / 2.
    `pocock` spends evenly: alpha log(1 + (e - 1) share). Both are formulas of Lan and DeMets (1983).
    """
    if share >= 1:
        return alpha
    if spending == "pocock":
        return alpha * log1p((e - 1) * share)
    return 4 * float(special.ndtr(special.ndtri(alpha / 4) / sqrt(share)))


def boundaries(
    shares: Sequence[float], alpha: float = 0.05, spending: Spending = "obrien_fleming"
) -> list[float]:
    """The |z| at or above which each look may stop; infinite where a look has next to nothing to spend.

    `shares` rise to at most 1: the information at each look as a share of that at the last one planned, for instance
    seeds so far / most seeds. A boundary does not depend on looks after it. Raises ValueError for other shares.
    """
    _check(shares)
    walk, found, before = _Walk(), [], 0.0
    for share in shares:
        total = spent(share, alpha, spending)
        found.append(walk.boundary(share, total - before))
        walk = walk.on(share, found[-1])
        before = total
    return found


def nominal_levels(
    shares: Sequence[float], alpha: float = 0.05, spending: Spending = "obrien_fleming"
) -> list[float]:
    """The boundaries as two-sided p-values: a look may stop where its own p is at or below its level."""
    return [2 * float(special.ndtr(-bound)) for bound in boundaries(shares, alpha, spending)]


def t_boundaries(
    shares: Sequence[float],
    freedoms: Sequence[float],
    alpha: float = 0.05,
    spending: Spending = "obrien_fleming",
) -> list[float]:
    """The |t| at or above which each look may stop, for t statistics with these degrees of freedom.

    Their joint distribution is not quite that of the normal theory. With one t-test over 2 to 12 seeds, a look at each,
    the error is up to 1.17 times `alpha` (simulated in the tests); whoever may not exceed it gives .85 of it.
    """
    levels = nominal_levels(shares, alpha, spending)
    return [
        float(special.stdtrit(freedom, 1 - level / 2)) if level > _LEAST else inf
        for level, freedom in zip(levels, freedoms, strict=True)
    ]


def stopping(bounds: Sequence[float], shares: Sequence[float], drift: float = 0.0) -> list[float]:
    """The chance that each look is the first whose |z| is at or above its bound.

    `drift` is the mean of z at share 1; at 0 the sum is the type I error, and else the power.
    """
    _check(shares)
    walk, found = _Walk(drift), []
    for share, bound in zip(shares, bounds, strict=True):
        found.append(walk.leaving(share, bound))
        walk = walk.on(share, bound)
    return found


def sequential_p(
    p_values: Sequence[float], shares: Sequence[float], spending: Spending = "obrien_fleming"
) -> float:
    """The p-value of a comparison that was looked at several times: the least `alpha` at which some look had stopped.

    It is at most .05 exactly where some look has crossed its boundary for .05 (to a part in 10,000), and may be
    corrected for other arms as any p-value may (Liu and Anderson, "On adaptive extensions of group sequential trials",
    2008). With one look at share 1 it is the p-value itself.
    """

    def crossed(alpha: float) -> bool:
        levels = nominal_levels(shares, alpha, spending)
        return any(p <= level for p, level in zip(p_values, levels, strict=True))

    low, high = 0.0, 1.0
    if not crossed(high):
        return 1.0
    while high - low > 1e-7 and high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if crossed(middle) else (middle, high)
    return high


def _check(shares: Sequence[float]) -> None:
    rising = all(before < after for before, after in zip([0.0, *shares], shares, strict=False))
    if not shares or not rising or shares[-1] > 1:
        raise ValueError(
            f"shares of the information must rise from above 0 to at most 1, not {shares}"
        )


@dataclass(frozen=True)
class _Walk:
    """A Brownian motion with drift that has not been stopped yet: its density at nodes, each with its weight.

    This is the recursion of Armitage, McPherson and Rowe ("Repeated significance tests on accumulating data", 1969).
    """

    drift: float = 0.0
    share: float = 0.0
    nodes: Array = field(default_factory=lambda: np.zeros(1))
    masses: Array = field(default_factory=lambda: np.ones(1))
    """Density times weight of the rule; at the start all lies at 0. Their sum is the chance not to have stopped."""

    def leaving(self, share: float, bound: float) -> float:
        """The chance to stop at the next look, at `share`, with this bound on |z|."""
        if bound == inf:
            return 0.0
        scale, centres = self._step(share)
        edge = bound * sqrt(share)
        outside = special.ndtr((centres - edge) / scale) + special.ndtr((-centres - edge) / scale)
        return float(self.masses @ outside)

    def boundary(self, share: float, level: float) -> float:
        """The bound on |z| with which the next look stops with chance `level`."""
        if level < _LEAST or self.leaving(share, _FARTHEST) > level:
            return inf
        if self.leaving(share, 0.0) <= level:
            return 0.0
        found = optimize.brentq(
            lambda z: self.leaving(share, z) - level, 0.0, _FARTHEST, xtol=1e-10
        )
        return float(found)

    def on(self, share: float, bound: float) -> "_Walk":
        """The walk after a look that did not stop it."""
        scale, centres = self._step(share)
        edge = min(bound, _FARTHEST + abs(self.drift)) * sqrt(share)
        points, weights = np.polynomial.legendre.leggauss(_NODES)
        nodes = edge * points
        steps = np.exp(-0.5 * ((nodes[:, None] - centres) / scale) ** 2) / (scale * sqrt(2 * np.pi))
        return _Walk(self.drift, share, nodes, edge * weights * (steps @ self.masses))

    def _step(self, share: float) -> tuple[float, Array]:
        """The spread of the next step, and where it leads on the mean from every node."""
        return sqrt(share - self.share), self.nodes + self.drift * (share - self.share)
