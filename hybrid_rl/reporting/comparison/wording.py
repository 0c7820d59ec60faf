"""The words and numbers that the Markdown page and the HTML page of a comparison have in common."""

from statistics import fmean

from hybrid_rl.reporting.comparison.arms import Arms, seed_of
from hybrid_rl.reporting.comparison.compare import Area, Comparison
from hybrid_rl.reporting.comparison.contrasts import Contrast
from hybrid_rl.reporting.comparison.cost_curves import Costs, CostToTarget
from hybrid_rl.reporting.comparison.outcomes import About, Figure, Outcome
from hybrid_rl.reporting.markdown import amount, between

MODELS = {
    "after": "after training (last weights)", "best": "the checkpoint that was best on dev"
}  # fmt: skip


def facts(arms: Arms) -> str:
    """How many arms and runs there are, how many are evaluated, their seeds, and which arm is the reference."""
    runs, done = len(arms.records), sum(bool(record.after) for record in arms.records)
    seeds = sorted({seed_of(record) for record in arms.records})
    of = _count(runs, "run") if done == runs else f"{done} of {runs} runs are evaluated"
    shown = f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"
    return f"{_count(len(arms.arms), 'arm')}, {of}, {shown}; reference: {arms.reference}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def exploratory(found: Comparison) -> str:
    """Which outcomes were chosen before there were results, and what that means for the p-values of the others."""
    chosen = "the study fixed it before anything was run."
    if not found.arms.planned:
        chosen = (
            "it was chosen for this page, not by a study beforehand. If results were known by then, its p-values"
            " promise too much."
        )
    return (
        f"One outcome is primary: {chosen} All others are exploratory. Their intervals and p-values are of each arm"
        " alone, and among many of them some are below 0.05 by chance."
    )


def measure_name(about: About) -> str:
    """The name of a measure with its number of samples: `greedy`, `avg@8`."""
    return about.measure if about.measure == "greedy" else f"{about.measure}@{about.samples}"


def measured(about: About) -> str:
    """The name of a measure within a sentence: `greedy accuracy`, `avg@8`."""
    return "greedy accuracy" if about.measure == "greedy" else measure_name(about)


def p_text(value: float) -> str:
    """A p-value with its sign: `< 0.001` or `= 0.042`."""
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def p_name(found: Comparison) -> str:
    """The name of the p-values of the primary outcome, which says how they are corrected."""
    return "p (all looks)" if found.verdicts else "p (corrected)"


def compared_cells(figure: Figure) -> list[str]:
    """The cells of a table about an arm beside the reference: difference, p, detectable, typical run, improvement."""
    told = figure.told
    if told is None or figure.contrast is None:
        return ["-", "-", "-", between(figure.typical), "-"]
    return [
        between(told.difference),
        p_text(told.p).removeprefix("= "),
        detectable_text(figure.contrast),
        between(figure.typical),
        between(figure.improvement),
    ]


def correlation_text(found: Outcome) -> str | None:
    """How the seeds of arms and reference go together, and what follows; None where too few seeds are shared."""
    known = [f.seed_correlation for f in found.figures if f.seed_correlation is not None]
    if not known:
        return None
    spread = f", from {min(known):.2f} to {max(known):.2f}" if len(known) > 1 else ""
    return (
        "Questions are paired, seeds are not. Over the seeds that an arm and the reference share, their accuracies"
        f" correlate by {fmean(known):.2f}{spread}; only well above 0.5 would pairing seeds find more."
    )


def detectable_text(contrast: Contrast) -> str:
    """A detectable difference; `none` where it is above 1, which no two accuracies can differ by."""
    if contrast.detectable is None:
        return "-"
    return f"{contrast.detectable:.3f}" if contrast.detectable <= 1 else "none"


def cost_text(costs: Costs) -> str:
    """A median cost with its bounds as `1,200 [1,000, >2,000]`; the cost of a single run has no bounds."""
    median, low, high = (_cost(cost) for cost in (costs.median, costs.low, costs.high))
    alone = costs.runs == 1 or low == median == high == "never"
    return median if alone else f"{median} [{low}, {high}]"


def area_text(area: Area | None) -> str:
    """Areas and their range as `0.500 [0.400, 0.600] against 0.300, 0 to 1,200`; bounds where runs differ."""
    if area is None:
        return "no range in common"
    own, reference, first, last = area_cells(area)
    return f"{own} against {reference}, {first} to {last}"


def area_cells(area: Area | None) -> list[str]:
    """The same as four cells of a table: the arm's area, the reference's, and the ends of the range."""
    if area is None:
        return ["no range in common", "-", "-", "-"]
    own, reference = (
        f"{one.value:.3f}" if one.low == one.high else between(one)
        for one in (area.own, area.reference)
    )
    return [own, reference, amount(area.first), amount(area.last)]


COST_NOTE = (
    "A figure is the median over seeds of what a run had spent at the first of two evaluations in a row at or above the"
    " target: of many evaluations below it, one alone is above it by chance. A run that was never there twice in a row"
    " costs more than it had spent at its last evaluation; > stands before such a figure."
    " In brackets are the seeds that bound the median; with fewer than 6 seeds they are the lowest and the highest, and"
    " bound it less often than 95 % (with 3 seeds: 75 %). An upper bound with > is no bound: it is what the run had"
    " spent that was followed longest."
)
AREA_NOTE = (
    "A figure is the mean accuracy of an arm, then that of the reference, over the range of spending that all runs of"
    " both cover. In brackets are the lowest and the highest seed. No curve is extended past its last evaluation: where"
    " an arm ended early, the rest is not compared. A dash means that the arm spends nothing of this kind."
)


def _cost(cost: CostToTarget) -> str:
    if not cost.reached and cost.spent == 0:
        return "never"  # and without spending anything on this axis
    return ("" if cost.reached else ">") + amount(cost.spent)
