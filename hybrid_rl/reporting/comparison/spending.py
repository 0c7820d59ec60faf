"""What the arms of a comparison spent, and whether they spent equally."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from hybrid_rl.reporting.comparison.arms import Arm, spent

_UNEQUAL = 1.1  # arms whose spending differs by a larger factor get a note
_NAMES = {
    "flops": "FLOPs", "generated_tokens": "generated tokens", "trained_tokens": "trained tokens"
}  # fmt: skip


def mean_spent(arm: Arm, axis: str) -> float | None:
    """What a run of an arm spent on the mean, over the runs that recorded it; None where none did."""
    totals = [total for r in arm.evaluated if (total := spent(r, axis)) is not None]
    return fmean(totals) if totals else None


def notes(arms: Sequence[Arm]) -> Iterator[str]:
    """Yields in what the arms did not spend equally: at most one sentence and what to do about it."""
    runs = [record for arm in arms for record in arm.evaluated]
    limited = any(
        limit is not None for run in runs for limit in run.settings.get("budget", {}).values()
    )
    told = _first_unequal(arms) if limited else _most_unequal(arms)
    if told:
        budget = "these budgets" if len(told) > 1 else "this budget"
        yield (
            f"The arms did not spend equally: {', and '.join(told)}. Compare curves against {budget}, or give all runs"
            " the same with budget.*."
        )


def _first_unequal(arms: Sequence[Arm]) -> list[str]:
    """The first axis on which arms differ; an arm that spends none of it is told too.

    Trained tokens are not looked at: arms with one budget may well train on more or fewer of the tokens they generate.
    """
    for axis in ("flops", "generated_tokens"):
        means, name = _means(arms, axis), _NAMES[axis]
        if len(means) < 2 or not max(means.values()):
            continue
        low, high = _ends(means)
        if not means[low]:
            return [f"{high} spent {name}, and {low} spent none"]
        if means[low] * _UNEQUAL < means[high]:
            return [_times(means, name)]
    return []


def _most_unequal(arms: Sequence[Arm]) -> list[str]:
    """The axis with the largest ratio between two arms, then FLOPs if that is another one.

    An axis on which some arm spends nothing is left out: SFT generates nothing, and cannot be given as much of it.
    """
    evaluated = sum(bool(arm.evaluated) for arm in arms)
    every = {name: _means(arms, axis) for axis, name in _NAMES.items()}
    shared = {n: m for n, m in every.items() if len(m) == evaluated > 1 and min(m.values()) > 0}
    if not shared:
        return []
    most = max(shared, key=lambda name: _ratio(shared[name]))
    if _ratio(shared[most]) <= _UNEQUAL:
        return []
    names = dict.fromkeys([most, "FLOPs"])
    return [_times(shared[name], name) for name in names if name in shared]


def _means(arms: Sequence[Arm], axis: str) -> dict[str, float]:
    return {arm.name: mean for arm in arms if (mean := mean_spent(arm, axis)) is not None}


def _ends(means: Mapping[str, float]) -> tuple[str, str]:
    """The arms that spent least and most."""
    return min(means, key=means.__getitem__), max(means, key=means.__getitem__)


def _ratio(means: Mapping[str, float]) -> float:
    return max(means.values()) / min(means.values())


def _times(means: Mapping[str, float], name: str) -> str:
    low, high = _ends(means)
    ratio = f"{_ratio(means):.1f}"
    if ratio == "1.0":
        return f"all spent about as many {name}"
    return f"{high} spent {ratio} times as many {name} as {low}"
