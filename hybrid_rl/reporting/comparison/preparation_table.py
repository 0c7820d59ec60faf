"""What the run that all arms of a study started from has spent, as rows of a table."""

from hybrid_rl.reporting.comparison.arms import spent
from hybrid_rl.reporting.comparison.compare import BUDGETS
from hybrid_rl.reporting.markdown import amount
from hybrid_rl.reporting.record import RunRecord

TITLE = "Preparation before the comparison"
NOTE = (
    "All arms started from the model of this one run, trials of the tuning included. Its cost is part of no arm's, and"
    " comes once on top of what the runs spent."
)
COLUMNS = ["method", *BUDGETS.values()]


def rows(preparation: RunRecord | None) -> list[list[str]]:
    """The row of the run; none where there was no preparation."""
    if preparation is None:
        return []
    totals = {axis: spent(preparation, axis) for axis in BUDGETS}
    cells = ["-" if total is None else amount(total) for axis, total in totals.items()]
    return [[preparation.method, *cells]]
