"""Tables that the terminal shows at the end of a run: its accuracies, or what task=doctor found."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting.markdown import between


def show_results(
    before: Mapping[str, SetSummary],
    after: Mapping[str, SetSummary],
    console: Console | None = None,
) -> None:
    """Prints the accuracies before and after training, a row per set and measure; `before` may lack sets.

    It prints nothing where nothing was evaluated.
    """
    if not after:
        return
    table = Table(title="accuracy, with 95 % intervals over questions", title_justify="left")
    for column in ("set", "questions", "measure", "before", "after"):
        table.add_column(column, justify="left" if column in ("set", "measure") else "right")
    for name, summary in after.items():
        old = _measures(before[name]) if name in before else {}
        for index, (measure, interval) in enumerate(_measures(summary).items()):
            head = ("", "") if index else (name, f"{summary.questions:,}")
            table.add_row(*head, measure, between(old.get(measure)), between(interval))
        table.add_section()
    (console or Console(highlight=False)).print(table)


def show_checks(
    engine: str,
    facts: Mapping[str, str],
    checks: Sequence[tuple[str, str, str]],
    advice: str,
    console: Console | None = None,
) -> None:
    """Prints what task=doctor found: facts of the machine, every check as (name, result, finding), then advice."""
    shown = console or Console(highlight=False)
    for name, value in facts.items():
        shown.print(f"{name:<22} {value}")
    table = Table("check", "result", "found", title=f"checks of hardware={engine}")
    table.title_justify = "left"
    for row in checks:
        table.add_row(*row)
    shown.print(table)
    shown.print(f"advice: {advice}")


def _measures(summary: SetSummary) -> dict[str, Interval]:
    """Returns the accuracies of a set by the name of their measure, without those that need samples it lacks."""
    k = summary.samples
    found = {
        "greedy": summary.greedy,
        f"avg@{k}": summary.avg,
        f"maj@{k}": summary.maj,
        f"pass@{k}": summary.pass_at.get(k),
    }
    return {name: interval for name, interval in found.items() if interval is not None}
