"""pass@k by k, for every arm and the base model: whether one of k samples solves a question, after training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting.comparison.compare import Comparison
from hybrid_rl.reporting.markdown import between

NOTE = (
    "How often at least one of k sampled solutions is correct, estimated without bias from all samples of a question."
    " A figure is the mean over the seeds of an arm, and in brackets are its lowest and its highest seed; with one"
    " seed, and for the base model, it is the 95 % interval over questions."
)


@dataclass(frozen=True)
class PassCurve:
    """pass@k of one arm, or of the base model, for which `arm` is None."""

    arm: str | None
    by_k: dict[int, Interval]


def pass_curves(found: Comparison, name: str) -> list[PassCurve]:
    """The curves on a set of questions, the base model's first; none where nothing was sampled."""
    curves = []
    if any(one.base for one in found.outcomes if one.about.set == name):
        before = [record.before for record in found.arms.records if name in record.before]
        curves.append(PassCurve(None, _by_k(before[:1], name)))
    for arm in found.arms.arms:
        curves.append(PassCurve(arm.name, _by_k([r.after for r in arm.evaluated], name)))
    return [curve for curve in curves if curve.by_k]


def sets(found: Comparison) -> list[str]:
    """The names of the sets in the order of the page."""
    return list(dict.fromkeys(one.about.set for one in found.outcomes))


def columns(curves: Sequence[PassCurve]) -> list[str]:
    return ["arm", *(f"pass@{k}" for k in _every_k(curves))]


def rows(curves: Sequence[PassCurve]) -> list[list[str]]:
    every = _every_k(curves)
    return [[c.arm or "base model", *(between(c.by_k.get(k)) for k in every)] for c in curves]


def _every_k(curves: Sequence[PassCurve]) -> list[int]:
    return sorted({k for curve in curves for k in curve.by_k})


def _by_k(runs: Sequence[Mapping[str, SetSummary]], name: str) -> dict[int, Interval]:
    """The mean over runs, for each k that all of them have."""
    found = [summaries[name].pass_at for summaries in runs if name in summaries]
    if len(found) < 2:
        return dict(found[0]) if found else {}
    shared = set.intersection(*(set(one) for one in found))
    values = {k: [one[k].value for one in found] for k in sorted(shared)}
    return {k: Interval(fmean(seen), min(seen), max(seen)) for k, seen in values.items()}
