"""The words and numbers that the Markdown page and the HTML page of a comparison have in common."""

from hybrid_rl.reporting.comparison.compare import Area, SetComparison
from hybrid_rl.reporting.comparison.contrasts import Contrast
from hybrid_rl.reporting.comparison.cost_curves import Costs, CostToTarget
from hybrid_rl.reporting.markdown import amount, between


def measure_name(found: SetComparison) -> str:
    """The name of a measure with its number of samples: `greedy`, `avg@8`."""
    return found.measure if found.measure == "greedy" else f"{found.measure}@{found.samples}"


def detectable_text(contrast: Contrast) -> str:
    """A detectable difference; `none` where it is above 1, which no two accuracies can differ by."""
    if contrast.detectable is None:
        return "-"
    return f"{contrast.detectable:.3f}" if contrast.detectable <= 1 else "none"


def cost_text(axis: str, costs: Costs) -> str:
    """A median cost with its bounds as `1,200 [1,000, >2,000]`; the cost of a single run has no bounds."""
    median, low, high = (_cost(axis, cost) for cost in (costs.median, costs.low, costs.high))
    return median if costs.runs == 1 else f"{median} [{low}, {high}]"


def area_text(axis: str, area: Area | None) -> str:
    """Areas and their range as `0.500 [0.400, 0.600] against 0.300, 0 to 1,200`; bounds where runs differ."""
    if area is None:
        return "no range in common"
    own, reference = (
        f"{one.value:.3f}" if one.low == one.high else between(one)
        for one in (area.own, area.reference)
    )
    return f"{own} against {reference}, {amount(axis, area.first)} to {amount(axis, area.last)}"


COST_NOTE = (
    "A figure is the median over seeds of what a run had spent at its first evaluation at or above the target. A run"
    " that never reached the target costs more than it had spent at its last evaluation; > stands before such a figure."
    " In brackets are the seeds that bound the median; with fewer than 6 seeds they are the lowest and the highest, and"
    " bound it less often than 95 % (with 3 seeds: 75 %). An upper bound with > is no bound: it is what the run had"
    " spent that was followed longest."
)
AREA_NOTE = (
    "A figure is the mean accuracy of an arm, then that of the reference, over the range of spending that all runs of"
    " both cover. In brackets are the lowest and the highest seed. No curve is extended past its last evaluation: where"
    " an arm ended early, the rest is not compared. A dash means that the arm spends nothing of this kind."
)


def _cost(axis: str, cost: CostToTarget) -> str:
    if not cost.reached and cost.spent == 0:
        return "never"  # and without spending anything on this axis
    return ("" if cost.reached else ">") + amount(axis, cost.spent)
