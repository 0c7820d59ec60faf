"""What the tuning of a study chose for every arm, and what it cost, as rows of a table."""

from collections.abc import Iterator, Mapping

from hybrid_rl.recording.tuning import ArmTuning
from hybrid_rl.reporting.markdown import amount

TITLE = "Tuning before the comparison"
NOTE = (
    "Every arm that was tuned had as many trials as any other, each with the same seeds and the same limits. They are"
    " judged on dev alone, and their seeds are not those of the comparison. A run that a guard stopped counts as 0."
    " Trial 0 is the arm as written. How many settings were tried, and how many of their combinations, still differs"
    " between arms. Beyond a value that is the lowest or the highest tried there may be a better one. The cost comes on"
    " top of what the runs spent."
)
COLUMNS = [
    *("arm", "values chosen", "trial", "its accuracy on dev", "that of trial 0"),
    *("trials x seeds", "FLOPs of the tuning"),
]


def rows(tuning: Mapping[str, ArmTuning]) -> list[list[str]]:
    """A row for every arm that was tuned, or that took the outcome of another."""
    return [
        [
            arm,
            ", ".join(_chosen(found)),
            str(found.chosen),
            f"{found.best.mean:.3f}",
            f"{found.trials[0].mean:.3f}",
            f"{len(found.trials)} x {len(found.best.dev)}",
            cost(found),
        ]
        for arm, found in tuning.items()
    ]


def _chosen(found: ArmTuning) -> Iterator[str]:
    edges = found.edges()
    for key, value in found.best.settings.items():
        yield f"{key}={value}" + (f" ({edges[key]} tried)" if key in edges else "")


def cost(found: ArmTuning | None) -> str:
    """The FLOPs of an arm's tuning; `as ARM` where it took that arm's outcome, and a dash where it was not tuned."""
    if found is None:
        return "-"
    return f"as {found.like}" if found.like else amount(found.spent.get("flops", 0.0))
