"""What the arms of a comparison spent, and whether they spent equally."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from hybrid_rl.reporting.comparison.arms import Arm, spent

_UNEQUAL = 1.1  # arms whose spending differs by a larger factor get a note


def mean_spent(arm: Arm, axis: str) -> float | None:
    """What a run of an arm spent on the mean, over the runs that recorded it; None where none did."""
    totals = [total for r in arm.evaluated if (total := spent(r, axis)) is not None]
    return fmean(totals) if totals else None


def notes(arms: Sequence[Arm]) -> Iterator[str]:
    for axis, name in (("flops", "FLOPs"), ("generated_tokens", "generated tokens")):
        means = {arm.name: m for arm in arms if (m := mean_spent(arm, axis)) is not None}
        if len(means) < 2 or not max(means.values()):
            continue
        low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        if means[low] * _UNEQUAL < means[high]:
            told = f"{high} spent {name}, and {low} spent none"
            if means[low]:
                told = f"{high} spent {means[high] / means[low]:.1f} times as many {name} as {low}"
            yield (
                f"The arms did not spend equally: {told}. Compare curves against this budget, or give all runs the same"
                " with budget.*."
            )
            return
