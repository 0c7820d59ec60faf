"""A comparison as a page of Markdown, with the same figures as the HTML page."""

from collections.abc import Iterator, Sequence

from hybrid_rl.reporting import glossary
from hybrid_rl.reporting.comparison.arms import setting_table
from hybrid_rl.reporting.comparison.compare import BUDGETS, Comparison, SetComparison, spent
from hybrid_rl.reporting.comparison.conclusion import conclusion, p_text
from hybrid_rl.reporting.comparison.wording import (
    AREA_NOTE,
    COST_NOTE,
    area_text,
    cost_text,
    detectable_text,
    measure_name,
)
from hybrid_rl.reporting.markdown import amount, between, explained, table

_BRACKETS = "Numbers in brackets are 95 % intervals. The last section explains the words."


def markdown(found: Comparison) -> str:
    """The text of the page."""
    parts = [[f"# {found.arms.title}: comparison of runs", "", conclusion(found), "", _BRACKETS]]
    for name in dict.fromkeys(one.set for one in found.on_sets):
        for moment in dict.fromkeys(one.moment for one in found.on_sets):
            on_set = [one for one in found.on_sets if (one.set, one.moment) == (name, moment)]
            if on_set:
                parts.append(list(_accuracies(on_set, found.arms.reference)))
    parts += [
        list(_levels(found)),
        list(_costs(found)),
        list(_areas(found)),
        list(_spending(found)),
    ]
    rows = setting_table(found.arms)
    if rows:
        names = [arm.name for arm in found.arms.arms]
        parts.append(["## Settings in which arms differ", "", *table(["setting", *names], rows)])
    if found.notes:
        parts.append(["## What to keep in mind", "", *(f"- {note}" for note in found.notes)])
    parts.append(explained(glossary.COMPARISON))
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _accuracies(on_set: Sequence[SetComparison], reference: str) -> Iterator[str]:
    """Yields the accuracies of all measures on a set, then the differences from the reference."""
    first = on_set[0]
    when = "after training" if first.moment == "after" else "the checkpoint that was best on dev"
    yield f"## {first.set}: {first.questions:,} questions, {when}"
    yield ""
    columns = ["arm", "seeds", *map(measure_name, on_set)]
    rows = [
        [
            figure.arm,
            " ".join(map(str, figure.seeds)),
            *(between(one.figures[index].value) for one in on_set),
        ]
        for index, figure in enumerate(first.figures)
    ]
    yield from table(columns, rows)
    contrasts = [
        [
            figure.arm,
            measure_name(one),
            between(figure.contrast.difference),
            p_text(figure.contrast.p_corrected).removeprefix("= "),
            detectable_text(figure.contrast),
            str(figure.contrast.seeds),
        ]
        for one in on_set
        for figure in one.figures
        if figure.contrast is not None
    ]
    if contrasts:
        columns = ["arm", "measure", f"difference from {reference}", "p (Holm)"]
        yield ""
        yield from table([*columns, "detectable", "seeds in common"], contrasts)


def _levels(found: Comparison) -> Iterator[str]:
    """Yields a table per set that has difficulty levels: an arm a row, a level a column."""
    for name in dict.fromkeys(figure.set for figure in found.levels):
        figures = [figure for figure in found.levels if figure.set == name]
        levels = list(dict.fromkeys(figure.level for figure in figures))
        values = {(figure.arm, figure.level): figure.value for figure in figures}
        yield f"## {name}: greedy accuracy by difficulty level"
        yield ""
        rows = [
            [arm, *(between(values.get((arm, level))) for level in levels)]
            for arm in dict.fromkeys(figure.arm for figure in figures)
        ]
        yield from table(["arm", *(f"level {level}" for level in levels)], rows)


def _costs(found: Comparison) -> Iterator[str]:
    """Yields what every arm spent until it reached the target; nothing without a target."""
    target = found.arms.target
    if target is None or not found.costs:
        return
    yield f"## Cost of reaching {target.measure} accuracy {target.value:g} on {target.set}"
    yield ""
    yield COST_NOTE
    yield ""
    names = [arm.name for arm in found.arms.arms if arm.name in found.costs["step"]]
    rows = []
    for name in names:
        of = {axis: by_arm[name] for axis, by_arm in found.costs.items() if name in by_arm}
        first = next(iter(of.values()))
        cells = [cost_text(axis, of[axis]) if axis in of else "-" for axis in found.costs]
        rows.append([name, f"{first.reached} of {first.runs}", *cells])
    yield from table(["arm", "runs at the target", *(BUDGETS[axis] for axis in found.costs)], rows)


def _areas(found: Comparison) -> Iterator[str]:
    """Yields the mean accuracies on dev while spending, a budget a row, an arm a column."""
    if not found.areas:
        return
    yield "## Mean accuracy on dev while spending (area under the curve)"
    yield ""
    yield AREA_NOTE
    yield ""
    names = [arm.name for arm in found.arms.arms if arm.name != found.arms.reference]
    rows = [
        [
            BUDGETS[axis],
            *(area_text(axis, areas[name]) if name in areas else "-" for name in names),
        ]
        for axis, areas in found.areas.items()
    ]
    yield from table(["spending", *names], rows)


def _spending(found: Comparison) -> Iterator[str]:
    """Yields what a run of every arm spent on the mean, on every budget."""
    rows = []
    for arm in found.arms.arms:
        cells = []
        for axis in BUDGETS:
            values = [v for r in arm.evaluated if (v := spent(r, axis)) is not None]
            cells.append(amount(axis, sum(values) / len(values)) if values else "-")
        shown = dict.fromkeys(r.traces or "-" for r in arm.evaluated)
        rows.append([arm.name, *cells, "; ".join(shown)])
    yield "## What a run spent, as a mean over the runs of an arm"
    yield ""
    yield from table(["arm", *BUDGETS.values(), "traces used by each run"], rows)
