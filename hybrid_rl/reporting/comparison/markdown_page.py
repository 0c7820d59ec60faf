"""A comparison as a page of Markdown, with the same figures as the HTML page."""

from collections.abc import Iterator

from hybrid_rl.reporting import glossary
from hybrid_rl.reporting.comparison import (
    cut_solutions,
    pass_at,
    preparation_table,
    tuning_table,
    verdicts,
    wording,
)
from hybrid_rl.reporting.comparison.arms import setting_table
from hybrid_rl.reporting.comparison.compare import BUDGETS, Comparison
from hybrid_rl.reporting.comparison.conclusion import conclusion
from hybrid_rl.reporting.comparison.outcomes import Outcome
from hybrid_rl.reporting.comparison.spending import mean_spent
from hybrid_rl.reporting.markdown import amount, between, explained, joined, plain, section, table

_BRACKETS = "Numbers in brackets are 95 % intervals. The last section explains the words."
_RUNS = ("detectable", "interquartile mean", "probability of improvement")


def markdown(found: Comparison) -> str:
    """The text of the page."""
    names = [arm.name for arm in found.arms.arms]
    settings = table(["setting", *names], setting_table(found.arms))
    start = [
        f"# {plain(found.arms.title)}: comparison of runs",
        "",
        plain(conclusion(found)),
        "",
        _BRACKETS,
    ]
    costs = [_costs(found), _areas(found), _spending(found), _preparation(found), _tuning(found)]
    differing = section("Settings in which arms differ", settings)
    notes = section("What to keep in mind", (f"- {plain(note)}" for note in found.notes))
    last = [differing, notes, explained(glossary.COMPARISON)]
    return joined(
        [
            start,
            _primary(found),
            _verdicts(found),
            *_explored(found),
            *_passes(found),
            *_levels(found),
            *costs,
            *last,
        ]
    )


def _primary(found: Comparison) -> list[str]:
    """The primary outcome, an arm a row; its intervals hold for all arms together."""
    one = found.primary
    cut = cut_solutions.column(one.figures)
    shares = cut_solutions.cells(one.figures)
    rows = [
        [f.arm, " ".join(map(str, f.seeds)), between(f.value), *cells, *wording.compared_cells(f)]
        for f, cells in zip(one.figures, shares, strict=True)
    ]
    if one.base:
        rows.insert(0, ["base model", "-", between(one.base), *("-" for _ in cut), *"-----"])
    name = wording.measure_name(one.about)
    compared = [f"difference from {found.arms.reference}", wording.p_name(found), *_RUNS]
    lines = table(["arm", "seeds", name, *cut, *compared], rows)
    if told := wording.correlation_text(one):
        lines += ["", told]
    title = f"Primary outcome: {name} on {one.about.set}, {one.about.questions:,} questions"
    return section(f"{title}, {wording.MODELS[one.about.moment]}", lines)


def _verdicts(found: Comparison) -> list[str]:
    """What a study that adds seeds has settled, and at what cost; nothing for other runs."""
    if not found.verdicts:
        return []
    lines = table(verdicts.COLUMNS, verdicts.rows(found.verdicts))
    return section("Seeds until decided", [verdicts.note(found.arms), "", *lines])


def _explored(found: Comparison) -> Iterator[list[str]]:
    """Yields a section per set and moment: the accuracies of all measures, then the differences from the reference."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for one in found.outcomes:
        groups.setdefault((one.about.set, one.about.moment), []).append(one)
    told = False
    for (name, moment), on_set in groups.items():
        rows = []
        # What was cut is the same by all measures, which count the same solutions.
        cut = cut_solutions.column(on_set[0].figures)
        shares = cut_solutions.cells(on_set[0].figures)
        if any(one.base for one in on_set):
            base = (between(one.base) for one in on_set)
            rows.append(["base model", "-", *base, *("-" for _ in cut)])
        for *figures, share in zip(*(one.figures for one in on_set), shares, strict=True):
            values = (between(figure.value) for figure in figures)
            rows.append([figures[0].arm, " ".join(map(str, figures[0].seeds)), *values, *share])
        names = [wording.measure_name(one.about) for one in on_set]
        lines = [] if told else [wording.exploratory(found), ""]
        told = True
        lines += table(["arm", "seeds", *names, *cut], rows)
        contrasts = [
            [figure.arm, wording.measure_name(one.about), *wording.compared_cells(figure)]
            for one in on_set
            if not one.about.primary
            for figure in one.figures
            if figure.contrast is not None
        ]
        if contrasts:
            columns = ["arm", "measure", f"difference from {found.arms.reference}", "p", *_RUNS]
            lines += ["", *table(columns, contrasts)]
        questions = f"{on_set[0].about.questions:,} questions"
        yield section(f"{name}: {questions}, {wording.MODELS[moment]} (exploratory)", lines)


def _passes(found: Comparison) -> Iterator[list[str]]:
    """Yields a section per set on which solutions were sampled: an arm a row, a k a column."""
    for name in pass_at.sets(found):
        curves = pass_at.pass_curves(found, name)
        lines = table(pass_at.columns(curves), pass_at.rows(curves))
        yield section(f"{name}: pass@k after training", [pass_at.NOTE, "", *lines] if lines else [])


def _levels(found: Comparison) -> Iterator[list[str]]:
    """Yields a section per set that has difficulty levels: an arm a row, a level a column."""
    for name in dict.fromkeys(figure.set for figure in found.levels):
        figures = [figure for figure in found.levels if figure.set == name]
        levels = list(dict.fromkeys(figure.level for figure in figures))
        values = {(figure.arm, figure.level): figure.value for figure in figures}
        rows = [
            [arm, *(between(values.get((arm, level))) for level in levels)]
            for arm in dict.fromkeys(figure.arm for figure in figures)
        ]
        lines = table(["arm", *(f"level {level}" for level in levels)], rows)
        yield section(f"{name}: greedy accuracy by difficulty level", lines)


def _costs(found: Comparison) -> list[str]:
    """What every arm spent until it reached the target; nothing without a target."""
    target = found.arms.target
    if target is None or not found.costs:
        return []
    rows = []
    for name, steps in found.costs["step"].items():
        of = {axis: by_arm.get(name) for axis, by_arm in found.costs.items()}
        cells = (wording.cost_text(costs) if costs else "-" for axis, costs in of.items())
        rows.append([name, f"{steps.reached} of {steps.runs}", *cells])
    columns = ["arm", "runs at the target", *(BUDGETS[axis] for axis in found.costs)]
    title = f"Cost of reaching {target.measure} accuracy {target.value:g} on {target.set}"
    return section(title, [wording.COST_NOTE, "", *table(columns, rows)])


def _areas(found: Comparison) -> list[str]:
    """The mean accuracies on dev while spending, a budget a row, an arm a column."""
    if not found.areas:
        return []
    names = [arm.name for arm in found.arms.arms if arm.name != found.arms.reference]
    rows = []
    for axis, areas in found.areas.items():
        cells = (wording.area_text(areas[name]) if name in areas else "-" for name in names)
        rows.append([BUDGETS[axis], *cells])
    title = "Mean accuracy on dev while spending (area under the curve)"
    return section(title, [wording.AREA_NOTE, "", *table(["spending", *names], rows)])


def _preparation(found: Comparison) -> list[str]:
    """What the run that all arms started from has spent; nothing where there was none."""
    rows = preparation_table.rows(found.arms.preparation)
    if not rows:
        return []
    lines = [preparation_table.NOTE, "", *table(preparation_table.COLUMNS, rows)]
    return section(preparation_table.TITLE, lines)


def _tuning(found: Comparison) -> list[str]:
    """What the tuning chose for every arm, and what it cost; nothing where nothing was tuned."""
    rows = tuning_table.rows(found.arms.tuning)
    if not rows:
        return []
    lines = [tuning_table.NOTE, "", *table(tuning_table.COLUMNS, rows)]
    return section(tuning_table.TITLE, lines)


def _spending(found: Comparison) -> list[str]:
    """What a run of every arm spent on the mean, on every budget."""
    rows = []
    for arm in found.arms.arms:
        means = {axis: mean_spent(arm, axis) for axis in BUDGETS}
        cells = [amount(mean) if mean is not None else "-" for axis, mean in means.items()]
        traces = "; ".join(dict.fromkeys(record.traces or "-" for record in arm.evaluated))
        rows.append([arm.name, *cells, traces])
    columns = ["arm", *BUDGETS.values(), "traces used by each run"]
    return section("What a run spent, as a mean over the runs of an arm", table(columns, rows))
