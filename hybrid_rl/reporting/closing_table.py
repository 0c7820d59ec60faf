"""Tables that the terminal shows at the end: accuracies of a run, arms of a study, or what task=doctor found."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting.markdown import between


def show_results(
    before: Mapping[str, SetSummary],
    after: Mapping[str, SetSummary],
    dev: Sequence[Mapping[str, float]] = (),
    console: Console | None = None,
) -> None:
    """Prints the accuracies before and after training, a row per set and measure; `before` may lack sets.

    `dev`: the lines of progress.jsonl, of which the first and the last are a row, unless dev is a set of its own. It
    prints nothing where nothing was evaluated.
    """
    if not after and not dev:
        return
    table = _table("before", "after")
    for name, summary in after.items():
        _add_set(table, name, summary, before.get(name))
    if dev and "dev" not in after:
        first, last = dev[0], dev[-1]
        old = f"{first['greedy']:.3f}" if first["step"] == 0 else "-"
        table.add_row("dev, while training", "", "greedy", old, f"{last['greedy']:.3f}")
    (console or Console(highlight=False)).print(table)


def show_evaluation(found: Mapping[str, SetSummary], console: Console | None = None) -> None:
    """Prints the accuracies of a model that was evaluated and not trained."""
    table = _table("accuracy")
    for name, summary in found.items():
        _add_set(table, name, summary)
    (console or Console(highlight=False)).print(table)


def show_arms(
    columns: Sequence[str], rows: Sequence[Sequence[str]], console: Console | None = None
) -> None:
    """Prints the table of a comparison, a row per arm."""
    table = Table(title="arms, with 95 % intervals", title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=place == 0)
    for row in rows:
        table.add_row(*row)
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


def _table(*moments: str) -> Table:
    table = Table(title="accuracy, with 95 % intervals over questions", title_justify="left")
    for column in ("set", "questions", "measure", *moments):
        table.add_column(column, justify="left" if column in ("set", "measure") else "right")
    return table


def _add_set(
    table: Table, name: str, summary: SetSummary, before: SetSummary | None = None
) -> None:
    """Adds a row per measure, with the value `before` in front where the table has a column for it."""
    compares = len(table.columns) == 5
    old = _measures(before) if before is not None else {}
    for index, (measure, interval) in enumerate(_measures(summary).items()):
        head = ("", "") if index else (name, f"{summary.questions:,}")
        values = [between(old.get(measure))] if compares else []
        table.add_row(*head, measure, *values, between(interval))
    table.add_section()


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
