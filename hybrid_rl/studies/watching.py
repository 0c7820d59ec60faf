"""What a person sees of a study while its runs go on: a live bar on a terminal, and nothing elsewhere.

Runs write into their own directories, so the bar follows the last lines of their metrics. A line for each run that has
ended goes to the log, whether there is a bar or not; that is in `running`.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from hybrid_rl.recording import budget
from hybrid_rl.recording.files import last_of_jsonl
from hybrid_rl.recording.progress import clock, drawn
from hybrid_rl.studies.jobs import Job

_LOOK_SECONDS = 1.0  # from one look at the files of the runs to the next


class Watch:
    """The bar of `total` runs: `with Watch(10) as watch: watch.look(ended, those that run)`, as often as one likes."""

    def __init__(self, total: int, console: Console | None = None) -> None:
        self._total = total
        self._console = console or Console(stderr=True)
        self._began, self._looked = time.monotonic(), -_LOOK_SECONDS
        self._closing = ExitStack()
        self._bar: Bar | None = None
        self._task = TaskID(0)

    def __enter__(self) -> "Watch":
        if self._console.is_terminal and self._total:
            state = TextColumn("{task.fields[state]}", markup=False)  # cut where the terminal ends
            columns = (TextColumn("study"), BarColumn(bar_width=24), state)
            self._bar = Bar(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("study", total=self._total, state="")
            self._closing.enter_context(drawn(self._bar, self._console))
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def look(self, over: int, live: Mapping[int, Job]) -> None:
        """Show that `over` runs have ended and how far the live ones are; at most once a second, and only on a bar."""
        now = time.monotonic()
        if self._bar is None or now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        found = [_share_and_words(job) for job in live.values()]
        done = over + sum(share for share, _ in found)
        left = (now - self._began) * (self._total - done) / done if done else None
        parts = [f"{over}/{self._total} runs"] + ([] if left is None else [f"{clock(left)} left"])
        state = "  ".join([*parts, *(words for _, words in found)])
        self._bar.update(self._task, completed=done, state=state)


def _share_and_words(job: Job) -> tuple[float, str]:
    """How much of a run is over, and that in words."""
    line = last_of_jsonl(job.run.metrics)
    if line is None:
        return 0.0, f"{job.label}: starting"
    limits = budget.limits_of(job.settings.model_dump())
    share = min(1.0, budget.progress(line["step"], job.settings.train.steps, limits, line))
    if share >= 1:
        return share, f"{job.label}: evaluation"
    return share, f"{job.label}: {share:.0%}, step {line['step']}"
