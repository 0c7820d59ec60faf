"""The figures of a comparison of arms, computed from the files of their runs. This file does not know how they look.

Only means over all runs of an arm are compared; no best run or seed is picked.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from hybrid_rl.config.study import PrimarySettings, TargetSettings
from hybrid_rl.evaluation.scores import AnsweredQuestion, Measure, level_order
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.recording.budget import AXES
from hybrid_rl.recording.run_directory import Moment
from hybrid_rl.reporting.comparison import cost_curves, crossed, notes, verdicts
from hybrid_rl.reporting.comparison.arms import Arms, ComparisonError, seed_of
from hybrid_rl.reporting.comparison.cost_curves import Costs, Point
from hybrid_rl.reporting.comparison.outcomes import About, Answers, Outcome, outcome, scores
from hybrid_rl.reporting.comparison.verdicts import Verdict
from hybrid_rl.reporting.record import RunRecord

BUDGETS = {"step": "optimizer steps", **AXES}
MEASURES: tuple[Measure, ...] = ("greedy", "avg", "maj", "pass")
CURVE_MEASURES: tuple[Measure, ...] = ("greedy", "avg", "maj")
"""What an evaluation during training has under the same name."""
MOMENTS: tuple[Moment, ...] = ("after", "best")


@dataclass(frozen=True)
class LevelFigure:
    """The greedy accuracy of an arm on the questions of one difficulty level of a set."""

    set: str
    level: str
    arm: str
    questions: int
    value: Interval


@dataclass(frozen=True)
class Area:
    """The mean accuracy on dev while spending, of an arm and of the reference.

    It is taken over the range of spending that all runs of the two cover. Each pair of arms has its own range, so that
    an arm that ends early cuts short no other comparison. No curve is extended past its end, since nobody knows what
    more spending would have brought.
    """

    first: float
    last: float
    own: Interval
    """The mean over the arm's runs, between the lowest and the highest run."""
    reference: Interval


@dataclass(frozen=True)
class Comparison:
    """Everything that the pages show, apart from settings and rollouts."""

    arms: Arms
    outcomes: list[Outcome]
    primary: Outcome
    """The one that the conclusion is about, after training; all others are explored."""
    verdicts: list[Verdict]
    """What a study that adds seeds has settled about every arm; empty for other runs."""
    levels: list[LevelFigure]
    costs: dict[str, dict[str, Costs]]
    """The cost of the target by budget axis and arm; empty without a target."""
    areas: dict[str, dict[str, Area | None]]
    """The area by budget axis and arm that spends on it, without the reference; None: they have no common range."""
    notes: list[str]


def compare(arms: Arms) -> Comparison:
    """All figures. Raises ComparisonError where runs were evaluated on different questions, or no run was evaluated."""
    evaluated = [record for record in arms.records if record.after]
    if not evaluated:
        runs = f"none of {len(arms.records)} runs was evaluated after training"
        raise ComparisonError(f"There is nothing to compare: {runs}.")
    # The set dev comes last: it was looked at during training.
    sets = sorted(dict.fromkeys(n for r in evaluated for n in r.after), key=lambda n: n == "dev")
    primary = arms.primary or PrimarySettings(set=sets[0], measure="greedy")
    outcomes: list[Outcome] = []
    levels: list[LevelFigure] = []
    for name in sets:
        base = _base(arms, name)
        for moment in MOMENTS:
            answers = _answers(arms, name, moment)
            outcomes += _outcomes(arms, name, moment, answers, base, primary)
            if moment == "after":
                levels += _levels(name, answers)
    measure: Measure = arms.target.measure if arms.target else "greedy"
    one_dev = len({record.data.get("fingerprint", {}).get("dev") for record in arms.records}) == 1
    target = arms.target if arms.target and (one_dev or arms.target.set != "dev") else None
    main = _primary(outcomes, primary)
    return Comparison(
        arms=arms,
        outcomes=outcomes,
        primary=main,
        verdicts=verdicts.verdicts(arms),
        levels=levels,
        costs=_costs(arms, target) if target else {},
        areas=_areas(arms, measure) if one_dev else {},
        notes=[*notes.notes(arms, main, one_dev), *verdicts.notes(arms, main)],
    )


def evaluations(record: RunRecord, name: str = "dev") -> list[Mapping[str, Any]]:
    """The evaluations of a set during training, from a spending of 0 if it was evaluated before training."""
    lines: list[Mapping[str, Any]] = [line for line in record.progress if line.get("set") == name]
    if name not in record.before or any(line["step"] == 0 for line in lines):
        return lines
    return [{**dict.fromkeys(BUDGETS, 0), **record.before[name].flat()}, *lines]


def curve(record: RunRecord, axis: str, measure: Measure, name: str = "dev") -> list[Point]:
    """The accuracy of a run on a set against its spending on a budget axis."""
    lines = [line for line in evaluations(record, name) if axis in line and measure in line]
    return [Point(float(line[axis]), float(line[measure])) for line in lines]


def _primary(outcomes: Sequence[Outcome], wanted: PrimarySettings) -> Outcome:
    """The primary one of the outcomes. Raises ComparisonError where the runs do not have it."""
    for one in outcomes:
        if one.about.primary:
            return one
    there = [f"{o.about.set}:{o.about.measure}" for o in outcomes if o.about.moment == "after"]
    raise ComparisonError(
        f"The primary outcome is {wanted.measure} on {wanted.set}, which not all runs were evaluated by."
        f" Choose with --primary from {', '.join(there)}."
    )


def _answers(arms: Arms, name: str, moment: Moment) -> dict[str, Answers]:
    """The answered questions by arm, all in one order; a run without this evaluation is left out.

    Raises ComparisonError where runs were evaluated on different questions.
    """
    found: dict[str, Answers] = {}
    first: tuple[RunRecord, set[str]] | None = None
    for arm in arms.arms:
        for record in arm.evaluated:
            rows = {row.id: row for row in record.rows(moment, name)}
            if not rows and moment != "after":
                continue
            first = first or (record, set(rows))
            other, ids = first
            if not rows or rows.keys() != ids:
                raise ComparisonError(
                    f"The runs cannot be compared on {name}: {record.directory.path} was evaluated on {len(rows)}"
                    f" questions, of which {len(ids & rows.keys())} are among the {len(ids)} of {other.directory.path}."
                    " Compare runs with the same data and the same eval.limit."
                )
            of_arm = found.setdefault(arm.name, Answers([], []))
            of_arm.seeds.append(seed_of(record))
            of_arm.runs.append([rows[key] for key in sorted(rows)])
    return found


def _base(arms: Arms, name: str) -> list[list[AnsweredQuestion]]:
    """The answers before training of every run that has them; none where the runs did not begin from one model.

    Where none has, those that the model gave at the end of the preparation from which all arms started.
    """
    if (
        len({json.dumps(record.settings.get("model"), sort_keys=True) for record in arms.records})
        > 1
    ):
        return []
    every = [sorted(r.rows("before", name), key=lambda row: row.id) for r in arms.records]
    if arms.preparation is not None and not any(every):
        every = [sorted(arms.preparation.rows("after", name), key=lambda row: row.id)]
    return [rows for rows in every if rows]


def _outcomes(
    arms: Arms,
    name: str,
    moment: Moment,
    answers: Mapping[str, Answers],
    base: Sequence[Sequence[AnsweredQuestion]],
    primary: PrimarySettings,
) -> Iterator[Outcome]:
    """Yields the outcome of every measure that all runs have on a set."""
    if not answers:
        return
    every = [run for one in answers.values() for run in one.runs]
    samples = _samples(every)
    for measure in MEASURES if samples else MEASURES[:1]:
        is_primary = (name, measure, moment) == (primary.set, primary.measure, "after")
        about = About(name, measure, moment, len(every[0]), samples, is_primary)
        looks = arms.sequential.looks if arms.sequential and is_primary else {}
        of_base = base if _alike(every, base, measure) else []
        yield outcome(about, answers, arms.reference, of_base, looks)


def _alike(
    runs: Sequence[Sequence[AnsweredQuestion]],
    base: Sequence[Sequence[AnsweredQuestion]],
    measure: Measure,
) -> bool:
    """Whether the base model was evaluated on the questions of the runs, and with as many samples."""
    ids = [row.id for row in runs[0]]
    same = all([row.id for row in one] == ids for one in base)
    return same and (measure == "greedy" or _samples(base) == _samples(runs))


def _samples(runs: Sequence[Sequence[AnsweredQuestion]]) -> int:
    """The number of samples per question; 0 where runs differ, since avg@2 and avg@8 are not one measure."""
    counts = {len(row.samples) for run in runs for row in run}
    return counts.pop() if len(counts) == 1 else 0


def _levels(name: str, answers: Mapping[str, Answers]) -> Iterator[LevelFigure]:
    """Yields the greedy accuracy of every arm on every level of a set that has more than one."""
    first = next(iter(answers.values())).runs[0] if answers else []
    levels = dict.fromkeys(row.level for row in first if row.level is not None)
    if len(levels) < 2:
        return
    for level in sorted(levels, key=level_order):
        for arm, one in answers.items():
            runs = [[row for row in run if row.level == level] for run in one.runs]
            value = crossed.interval(scores(runs, "greedy"))
            yield LevelFigure(name, level, arm, len(runs[0]), value)


def _costs(arms: Arms, target: TargetSettings) -> dict[str, dict[str, Costs]]:
    """The cost of the target by budget axis and arm."""
    found: dict[str, dict[str, Costs]] = {}
    for axis in BUDGETS:
        for arm in arms.arms:
            curves = [curve(r, axis, target.measure, target.set) for r in arm.evaluated]
            if made := [cost_curves.cost_of(points, target.value) for points in curves if points]:
                found.setdefault(axis, {})[arm.name] = cost_curves.costs(made)
    return found


def _areas(arms: Arms, measure: Measure) -> dict[str, dict[str, Area | None]]:
    """The area of every arm beside the reference, by the budget axes that the arm spends on."""
    found: dict[str, dict[str, Area | None]] = {}
    for axis in BUDGETS:
        curves: dict[str, list[list[Point]]] = {}
        for arm in arms.arms:
            every = [curve(record, axis, measure) for record in arm.evaluated]
            curves[arm.name] = [points for points in every if points and points[-1].spent > 0]
        reference = curves.pop(arms.reference)
        if pairs := {arm: _area(runs, reference) for arm, runs in curves.items() if runs}:
            found[axis] = pairs
    return found


def _area(own: Sequence[Sequence[Point]], reference: Sequence[Sequence[Point]]) -> Area | None:
    """The area of one arm and of the reference over the range that all their curves cover; None without one."""
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
    """The mean between the least and the largest value."""
    return Interval(fmean(values), min(values), max(values))
