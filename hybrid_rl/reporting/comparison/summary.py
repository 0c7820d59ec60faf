"""A comparison in short, for a README: one table with a row per arm, and one picture of the learning curves."""

from collections.abc import Sequence
from pathlib import Path

from hybrid_rl.evaluation.scores import Measure
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.recording.files import write_text
from hybrid_rl.reporting.comparison import cost_curves, tuning_table, verdicts, wording
from hybrid_rl.reporting.comparison.arms import Arm
from hybrid_rl.reporting.comparison.compare import BUDGETS, Comparison, curve
from hybrid_rl.reporting.comparison.outcomes import Outcome
from hybrid_rl.reporting.comparison.spending import mean_spent
from hybrid_rl.reporting.markdown import amount, plain, table

_AXES = ("step", "generated_tokens", "traces_used")


def write(found: Comparison, to_table: Path | None, to_curves: Path | None) -> list[str]:
    """Writes what has a path; returns the paths."""
    if to_table is not None:
        write_text(to_table, "\n".join(summary(found)) + "\n")
    if to_curves is not None:
        from hybrid_rl.reporting import plots  # noqa: PLC0415 - matplotlib takes long to load

        measure = _measure(found)
        curves = {arm.name: _mean_curve(arm, measure) for arm in found.arms.arms}
        there = {name: points for name, points in curves.items() if points}
        accuracy = f"{measure} accuracy on dev, mean and range of seeds"
        plots.write_arms(there, to_curves, BUDGETS["flops"], accuracy)
    return [str(path) for path in (to_table, to_curves) if path is not None]


def summary(found: Comparison) -> list[str]:
    """The lines of the table in Markdown, and one about the looks of a study that added seeds by them."""
    note = verdicts.table_note(found.arms)
    return table(*columns_and_rows(found)) + ([] if note is None else ["", plain(note)])


def columns_and_rows(
    found: Comparison, axes: Sequence[str] = _AXES
) -> tuple[list[str], list[list[str]]]:
    """The table: accuracies after training, what looks decided, the median cost of the target, the cost of the tuning.

    `axes`: those on which the cost is shown. Without a target it is what a run spent on the mean.
    """
    shown = _shown(found)
    columns = ["arm", "seeds", *map(_name, shown)]
    if found.verdicts:
        against = f"{_name(found.primary)}, difference from {found.arms.reference}"
        columns += [against, wording.p_name(found), *verdicts.COLUMNS[1:3]]
    if found.costs:
        columns.append("seeds there")
    columns += [BUDGETS[axis] for axis in axes]
    if found.arms.tuning:
        columns.append(tuning_table.COLUMNS[-1])
    rows = [_row(found, arm, shown, axes) for arm in found.arms.arms if arm.evaluated]
    if any(one.base for one in shown):
        base = ["base model", "-", *(_value(one.base) for one in shown)]
        rows.insert(0, base + ["-"] * (len(columns) - len(base)))
    return columns, rows


def _row(found: Comparison, arm: Arm, shown: Sequence[Outcome], axes: Sequence[str]) -> list[str]:
    row = [arm.name, str(len(arm.evaluated))]
    for one in shown:
        row.append(_value(next((f.value for f in one.figures if f.arm == arm.name), None)))
    if found.verdicts:
        row += _decided(found, arm)
    if found.costs:
        steps = found.costs["step"].get(arm.name)
        row.append("-" if steps is None else f"{steps.reached} of {steps.runs}")
    row += [_spent(found, arm, axis) for axis in axes]
    if found.arms.tuning:
        row.append(tuning_table.cost(found.arms.tuning.get(arm.name)))
    return row


def _decided(found: Comparison, arm: Arm) -> list[str]:
    """What the looks say of an arm: difference, p, decision, and the seeds of the last look."""
    figure = next((one for one in found.primary.figures if one.arm == arm.name), None)
    difference = ["-", "-"] if figure is None else wording.compared_cells(figure)[:2]
    verdict = next(row for row in verdicts.rows(found.verdicts) if row[0] == arm.name)
    return [*difference, *verdict[1:3]]


def _value(found: Interval | None) -> str:
    return "-" if found is None else f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _spent(found: Comparison, arm: Arm, axis: str) -> str:
    """The median cost of the target, with > where most runs never reached it; without a target the mean of the runs."""
    if found.costs and axis != "traces_used":
        cost = found.costs.get(axis, {}).get(arm.name)
        if cost is None or (not cost.median.reached and cost.median.spent == 0):
            return "-"
        return ("" if cost.median.reached else "> ") + amount(cost.median.spent)
    mean = mean_spent(arm, axis)
    return "-" if mean is None else amount(mean)


def _shown(found: Comparison) -> list[Outcome]:
    """The outcomes by greedy and by avg@k after training, on the set of the primary outcome."""
    wanted = (found.primary.about.set, "after")
    return [
        one
        for one in found.outcomes
        if (one.about.set, one.about.moment) == wanted and one.about.measure in ("greedy", "avg")
    ]


def _name(one: Outcome) -> str:
    return f"{one.about.set}: {wording.measure_name(one.about)}"


def _measure(found: Comparison) -> Measure:
    return found.arms.target.measure if found.arms.target else "greedy"


def _mean_curve(arm: Arm, measure: Measure) -> list[cost_curves.MeanPoint]:
    curves = [curve(record, "flops", measure) for record in arm.evaluated]
    return cost_curves.mean_curve([points for points in curves if points])
