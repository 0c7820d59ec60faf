"""What a person sees while a run lives: the progress of training, and a line where each phase begins and ends.

On a terminal there is one live bar, drawn by rich; elsewhere a plain line now and then, through the log. Loads nothing
heavy. The table that closes a run is `reporting.closing_table`.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from hybrid_rl.recording import budget

log = logging.getLogger(__name__)
_WINDOW = 20  # steps over which speed is averaged: long enough for a mix of both kinds
_PLAIN_LINES = 10  # of a whole run, where there is no terminal
Limits = Mapping[str, float | None]
"""The limits of a budget, by axis; None is no limit."""


class Pace:
    """The speed over the last steps, from the running totals in lines of metrics.jsonl."""

    def __init__(self, steps: int, limits: Limits | None = None) -> None:
        """`limits`: those of `budget`, by axis."""
        self.steps = steps
        self._limits = limits or {}
        self._seen: deque[tuple[float, float, int]] = deque([(0.0, 0.0, 0)], maxlen=_WINDOW + 1)

    def add(self, line: Mapping[str, Any]) -> None:
        tokens = line["generated_tokens"] + line["trained_tokens"]
        share = budget.progress(line["step"], self.steps, self._limits, line)
        self._seen.append((share, line["wall_seconds"], tokens))

    @property
    def share(self) -> float:
        """The share of the run that is over."""
        return self._seen[-1][0]

    @property
    def tokens_per_second(self) -> float:
        """Generated and trained tokens per second of training."""
        (_, first, before), (_, last, after) = self._seen[0], self._seen[-1]
        return (after - before) / max(last - first, 1e-9)

    @property
    def seconds_left(self) -> float:
        """Estimated seconds of training that are left; evaluation comes on top."""
        (begin, first, _), (share, last, _) = self._seen[0], self._seen[-1]
        return max(0.0, 1 - share) * (last - first) / max(share - begin, 1e-9)


class Progress:
    """The progress of training: `with Progress(steps) as progress: progress.update(line of metrics.jsonl)`."""

    def __init__(
        self, steps: int, console: Console | None = None, limits: Limits | None = None
    ) -> None:
        self.steps = steps
        self.console = console or Console(stderr=True)
        self.pace = Pace(steps, limits)
        self._kinds: set[str] = set()
        self._dev: float | None = None
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._closing = ExitStack()

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            columns = (TextColumn("training"), BarColumn(bar_width=24))
            state = TextColumn("{task.fields[state]}")
            self._bar = Bar(*columns, state, console=self.console, transient=True)
            self._task = self._bar.add_task("training", total=1.0, state="")
            self._closing.enter_context(drawn(self._bar, self.console))
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def update(self, line: Mapping[str, Any]) -> None:
        """Show an optimizer step, of which `line` is that of metrics.jsonl."""
        step, kind = line["step"], line["kind"]
        before = self.pace.share
        self.pace.add(line)
        state = _state(line, self.pace, self._dev)
        if kind not in self._kinds:
            self._kinds.add(kind)
            log.info("step %d of %d: first %s update", step, self.steps, kind.upper())
        if self._bar is not None:
            state = f"{step}/{self.steps} {state}"
            self._bar.update(self._task, completed=self.pace.share, state=state)
        elif budget.passes(1 / _PLAIN_LINES, before, self.pace.share):
            log.info("step %d of %d: %s", step, self.steps, state)

    def dev(self, step: int, greedy: float) -> None:
        """Tell of a look at dev after `step`, which is shown until the next one."""
        self._dev = greedy
        log.info("step %d of %d: dev %.3f", step, self.steps, greedy)


@contextmanager
def drawn(bar: Bar, console: Console) -> Iterator[None]:
    """A bar that is drawn as long as the block lasts; lines of the log appear above it instead of through it."""
    with ExitStack() as closing:
        for one in logging.getLogger().handlers:
            if isinstance(one, logging.StreamHandler) and not isinstance(one, logging.FileHandler):
                closing.callback(one.setStream, one.stream)
                one.setStream(FileProxy(console, one.stream))
        with bar:
            yield


def _state(line: Mapping[str, Any], pace: Pace, dev: float | None = None) -> str:
    """A step in words: its kind, what matters of it, the last accuracy on dev, the speed, the time left."""
    if line["kind"] == "rl":
        what = f"RL   reward {line['reward_mean']:.3f}"
        if (length := line.get("completion_tokens_mean")) is not None:
            what += f"  length {length:.0f}"
        if (entropy := line.get("entropy")) is not None:
            what += f"  entropy {entropy:.2f}"
    else:
        what = f"SFT  loss {line['loss']:.3f}"
    if dev is not None:
        what += f"  dev {dev:.3f}"
    return f"{what}  {pace.tokens_per_second:,.0f} tokens/s  {clock(pace.seconds_left)} left"


def clock(seconds: float) -> str:
    """A duration as minutes:seconds, with hours before them where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass
class Phase:
    """A phase of a run; its `result`, once known, is told when it ends."""

    result: str = ""


@contextmanager
def phase(name: str) -> Iterator[Phase]:
    """Log when a phase starts and when it ends; one that fails says nothing more."""
    log.info("%s: start", name)
    started = time.monotonic()
    current = Phase()
    yield current
    result = f": {current.result}" if current.result else ""
    log.info("%s: done in %.1f s%s", name, time.monotonic() - started, result)
