"""Arms of runs -> every figure of their comparison. Files are read here; how figures look is not known.

Only means over all runs of an arm are compared; no best run or seed is picked.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.scores import AnsweredQuestion, Measure, level_order
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.recording.budget import AXES
from hybrid_rl.recording.run_directory import Moment
from hybrid_rl.reporting.comparison import cost_curves
from hybrid_rl.reporting.comparison.arms import Arm, Arms, ComparisonError, Target, seed_of
from hybrid_rl.reporting.comparison.contrasts import Contrast, contrast, corrected
from hybrid_rl.reporting.comparison.cost_curves import Costs, Point
from hybrid_rl.reporting.record import RunRecord

BUDGETS = {"step": "optimizer steps", **AXES}
MEASURES: tuple[Measure, ...] = ("greedy", "avg", "maj")
MOMENTS: tuple[Moment, ...] = ("after", "best")
OTHER_DEV = (
    "The runs were followed on different dev questions, as the hashes in their environment.json tell: their curves are"
    " not to be compared, and areas and the cost of a target on dev are left out."
)
_UNEQUAL = 1.1  # of spending: further apart is told

Scores = dict[int, list[float]]
"""Seed -> score of every question, the questions in one order."""


@dataclass(frozen=True)
class Figure:
    """Accuracy of an arm: mean over seeds and questions, and how it differs from the reference."""

    arm: str
    seeds: list[int]
    value: Interval
    contrast: Contrast | None
    """None for the reference, and without a seed in common with it."""


@dataclass(frozen=True)
class SetComparison:
    """One measure on one set: a row per arm that was evaluated."""

    set: str
    measure: Measure
    moment: Moment
    questions: int
    samples: int
    figures: list[Figure]


@dataclass(frozen=True)
class LevelFigure:
    set: str
    level: str
    arm: str
    questions: int
    value: Interval


@dataclass(frozen=True)
class Area:
    """Mean accuracy on dev while spending, of an arm and of the reference over the range that their runs all cover.

    A pair has its own range, so that an arm that ends early cuts short no other comparison; and no curve is drawn on
    past its end, where nobody knows what more spending would have brought.
    """

    first: float
    last: float
    own: Interval
    """Mean, least and most of the runs."""
    reference: Interval


@dataclass(frozen=True)
class Comparison:
    arms: Arms
    outcomes: list[SetComparison]
    levels: list[LevelFigure]
    costs: dict[str, dict[str, Costs]]
    """Budget axis -> arm -> cost of the target; empty without a target."""
    areas: dict[str, dict[str, Area | None]]
    """Budget axis -> arm that spends on it, but the reference -> area; None: it has no range in common with that."""
    notes: list[str]

    @property
    def main(self) -> SetComparison:
        """Greedy accuracy after training on the first set: what the verdict is about."""
        return self.outcomes[0]


def compare(arms: Arms) -> Comparison:
    """Raises ComparisonError where runs were evaluated on different questions, or none was evaluated."""
    evaluated = [record for record in arms.records if record.after]
    if not evaluated:
        raise ComparisonError(f"none of {len(arms.records)} runs has an evaluation after training")
    sets = dict.fromkeys(name for record in evaluated for name in record.after)
    names = sorted(sets, key=lambda name: name == "dev")  # what was looked at while training: last
    outcomes: list[SetComparison] = []
    levels: list[LevelFigure] = []
    for name in names:
        for moment in MOMENTS:
            rows = _rows(arms, name, moment)
            outcomes += _outcomes(arms, name, moment, rows)
            if moment == "after":
                levels += _levels(name, rows)
    measure: Measure = arms.target.measure if arms.target else "greedy"
    one_dev = len({record.data.get("fingerprint", {}).get("dev") for record in arms.records}) == 1
    target = arms.target if arms.target and (one_dev or arms.target.set != "dev") else None
    return Comparison(
        arms=arms,
        outcomes=outcomes,
        levels=levels,
        costs=_costs(arms, target) if target else {},
        areas=_areas(arms, measure) if one_dev else {},
        notes=[*_left_out(arms), *([] if one_dev else [OTHER_DEV]), *_notes(arms)],
    )


def curve(record: RunRecord, axis: str, measure: Measure, name: str = "dev") -> list[Point]:
    """Accuracy of a run on a set during training; from 0, where the set was evaluated before training."""
    points = [
        Point(float(line[axis]), float(line[measure]))
        for line in record.progress
        if line.get("set") == name and axis in line and measure in line
    ]
    before = getattr(record.before.get(name), measure, None)
    if before is None or any(line["step"] == 0 for line in record.progress):
        return points
    return [Point(0.0, before.value), *points]


def spent(record: RunRecord, axis: str) -> float | None:
    """All that a run spent on an axis."""
    value = record.metrics[-1].get(axis) if record.metrics else None
    return None if value is None else float(value)


def _rows(arms: Arms, name: str, moment: Moment) -> dict[str, list[list[AnsweredQuestion]]]:
    """Arm -> run -> rows, all on the same questions in one order; a run without this evaluation is left out."""
    found: dict[str, list[list[AnsweredQuestion]]] = {}
    first: tuple[RunRecord, set[str]] | None = None
    for arm in arms.arms:
        for record in arm.evaluated:
            rows = {row.id: row for row in record.rows(moment, name)}
            if not rows:
                if moment == "after":
                    _refuse(name, record, set(), first or (record, set()))
                continue
            first = first or (record, set(rows))
            if set(rows) != first[1]:
                _refuse(name, record, set(rows), first)
            found.setdefault(arm.name, []).append([rows[key] for key in sorted(rows)])
    return found


def _refuse(name: str, record: RunRecord, ids: set[str], first: tuple[RunRecord, set[str]]) -> None:
    raise ComparisonError(
        f"{name}: {record.directory.path} was evaluated on {len(ids)} questions, of which {len(ids & first[1])} are"
        f" among the {len(first[1])} of {first[0].directory.path}; compare runs with the same data and eval.limit"
    )


def _outcomes(
    arms: Arms, name: str, moment: Moment, rows: Mapping[str, list[list[AnsweredQuestion]]]
) -> Iterator[SetComparison]:
    if not rows:
        return
    counts = {len(row.samples) for tables in rows.values() for table in tables for row in table}
    samples = counts.pop() if len(counts) == 1 else 0  # avg@2 and avg@8 are not one measure
    seeds = {
        arm.name: [seed_of(r) for r in arm.evaluated if moment == "after" or r.best]
        for arm in arms.arms
    }
    for measure in MEASURES if samples else MEASURES[:1]:
        tables = {
            arm: [[row.score(measure) for row in table] for table in found]
            for arm, found in rows.items()
        }
        by_seed = {arm: dict(zip(seeds[arm], table, strict=True)) for arm, table in tables.items()}
        contrasts = _contrasts(arms.reference, by_seed)
        figures = [
            Figure(arm, seeds[arm], statistics.over_seeds(table), contrasts.get(arm))
            for arm, table in tables.items()
        ]
        questions = len(next(iter(tables.values()))[0])
        yield SetComparison(name, measure, moment, questions, samples, figures)


def _contrasts(reference: str, by_seed: Mapping[str, Scores]) -> dict[str, Contrast]:
    """Of every arm against the reference over their common seeds, corrected for how many there are."""
    common = {
        arm: [seed for seed in scores if seed in by_seed.get(reference, {})]
        for arm, scores in by_seed.items()
        if arm != reference
    }
    pairs = {arm: seeds for arm, seeds in common.items() if seeds}
    made = [
        contrast(
            [by_seed[reference][seed] for seed in seeds],
            [by_seed[arm][seed] for seed in seeds],
            len(pairs),
        )
        for arm, seeds in pairs.items()
    ]
    return dict(zip(pairs, corrected(made), strict=True))


def _levels(name: str, rows: Mapping[str, list[list[AnsweredQuestion]]]) -> Iterator[LevelFigure]:
    """Greedy, where a set has more than one level."""
    first = next(iter(rows.values()))[0] if rows else []
    levels = dict.fromkeys(row.level for row in first if row.level is not None)
    if len(levels) < 2:
        return
    for level in sorted(levels, key=level_order):
        for arm, tables in rows.items():
            scores = [
                [row.score("greedy") for row in table if row.level == level] for table in tables
            ]
            yield LevelFigure(name, level, arm, len(scores[0]), statistics.over_seeds(scores))


def _costs(arms: Arms, target: Target) -> dict[str, dict[str, Costs]]:
    found: dict[str, dict[str, Costs]] = {}
    for axis in BUDGETS:
        for arm in arms.arms:
            curves = [curve(r, axis, target.measure, target.set) for r in arm.evaluated]
            made = [cost_curves.cost_of(points, target.value) for points in curves if points]
            if made:
                found.setdefault(axis, {})[arm.name] = cost_curves.costs(made)
    return found


def _areas(arms: Arms, measure: Measure) -> dict[str, dict[str, Area | None]]:
    """Of every arm against the reference, on the axes that the arm spends on."""
    found: dict[str, dict[str, Area | None]] = {}
    for axis in BUDGETS:
        curves = {
            arm.name: [
                points
                for record in arm.evaluated
                if (points := curve(record, axis, measure)) and points[-1].spent > 0
            ]
            for arm in arms.arms
        }
        reference = curves.pop(arms.reference)
        pairs = {arm: _area(runs, reference) for arm, runs in curves.items() if runs}
        if pairs:
            found[axis] = pairs
    return found


def _area(own: Sequence[Sequence[Point]], reference: Sequence[Sequence[Point]]) -> Area | None:
    if not reference:
        return None
    every = [*own, *reference]
    first, last = max(points[0].spent for points in every), min(p[-1].spent for p in every)
    areas = [cost_curves.area(points, first, last) for points in every]
    known = [area for area in areas if area is not None]
    if len(known) < len(areas):
        return None
    return Area(first, last, _spread(known[: len(own)]), _spread(known[len(own) :]))


def _spread(values: Sequence[float]) -> Interval:
    return Interval(fmean(values), min(values), max(values))


def _left_out(arms: Arms) -> Iterator[str]:
    for record in arms.records:
        if not record.after:
            state = record.status.get("state", "unknown")
            yield f"{record.directory.path} has no evaluation after training (state: {state}) and is left out."


def _notes(arms: Arms) -> Iterator[str]:
    alone = [arm.name for arm in arms.arms if len(arm.evaluated) == 1]
    if alone:
        yield f"One run of {', '.join(alone)}: its interval knows nothing of the spread between seeds."
    for arm in arms.arms:
        if len(set(arm.seeds)) < len(arm.seeds):
            shown = " ".join(map(str, arm.seeds))
            yield (
                f"{arm.name} has several runs with the same seed ({shown}); they are not independent, and only the last"
                " of a seed is paired with the reference."
            )
    hashes = {json.dumps(record.data.get("fingerprint"), sort_keys=True) for record in arms.records}
    if len(hashes) > 1:
        yield "The runs did not see the same data: the hashes of their questions differ, see their environment.json."
    yield from _spending_notes(arms.arms)


def _spending_notes(arms: Sequence[Arm]) -> Iterator[str]:
    for axis, name in (("flops", "FLOPs"), ("generated_tokens", "generated tokens")):
        means = {}
        for arm in arms:
            totals = [t for r in arm.evaluated if (t := spent(r, axis)) is not None]
            if totals:
                means[arm.name] = fmean(totals)
        if len(means) < 2 or not max(means.values()):
            continue
        low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        if means[low] * _UNEQUAL < means[high]:
            ratio = f"{means[high] / means[low]:.1f} times" if means[low] else "all, against none:"
            yield (
                f"Spending is not equal: {high} spent {ratio} the {name} of {low}; compare curves against"
                " that budget, or set budget.*."
            )
            return
