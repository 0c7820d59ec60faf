"""What a person sees of a run: progress, phases, the closing table; and what other libraries are kept from saying.

On a terminal one live bar; elsewhere a plain line now and then, through the log. Loads nothing heavy.
"""

import logging
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from hybrid_rl.markdown import between
from hybrid_rl.scores import SetSummary
from hybrid_rl.stats import Interval

log = logging.getLogger(__name__)

_WINDOW = 20  # steps over which speed is averaged: long enough for a mix of both kinds
_PLAIN_LINES = 10  # of a whole run, where there is no terminal

_ENVIRONMENT = {
    "TRL_EXPERIMENTAL_SILENCE": "1",  # TRL: rollout_func may change; our pins and tests answer for it
    "HF_HUB_DISABLE_TELEMETRY": "1",  # TRL: asks the hub at every start
    "TOKENIZERS_PARALLELISM": "false",  # tokenizers: a warning when verifier processes start after its threads
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",  # datasets: bars for work of milliseconds
}
_WARNINGS = (
    # (category, beginning of the message): why a user cannot act on it
    (FutureWarning, r"`is_gradient_checkpointing` is deprecated"),  # TRL reads it, at every step
    (FutureWarning, r"`gradient_checkpointing_(en|dis)able` is deprecated"),  # TRL and peft call it
    (FutureWarning, r"`torch\.distributed\.\w+_tensor` is deprecated"),  # DeepSpeed calls it
)
_LOG_LINES = (
    (
        "accelerate.accelerator",  # it reads the same number from DeepSpeed's configuration a moment later
        "[RANK 0] Gradient accumulation steps mismatch",
    ),
    # (logger, beginning of the message): why a user cannot act on it
    (
        "transformers.trainer",  # tied weights are saved once; a resume finds them all the same
        "There were missing keys in the checkpoint model loaded: ['lm_head.weight']",
    ),
)


def quiet_third_parties() -> None:
    """Silence named notices of other libraries; to be called before they are imported. What the user set stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for category, message in _WARNINGS:
        warnings.filterwarnings("ignore", message=message, category=category)
    for logger, message in _LOG_LINES:
        logging.getLogger(logger).addFilter(partial(_unlike, message))


def _unlike(message: str, record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(message)


def quiet_progress_bars() -> None:
    """No bars of transformers for reading and writing weights; downloads from the hub keep theirs."""
    from huggingface_hub.utils.tqdm import (  # noqa: PLC0415 - heavy
        are_progress_bars_disabled,
        enable_progress_bars,
    )
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415 - heavy

    unwanted = are_progress_bars_disabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # theirs
    if not unwanted:
        enable_progress_bars()


class Pace:
    """Speed over the last steps, from the cumulated axes of metrics lines."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._seen: deque[tuple[int, float, int]] = deque([(0, 0.0, 0)], maxlen=_WINDOW + 1)

    def add(self, line: Mapping[str, Any]) -> None:
        tokens = line["generated_tokens"] + line["trained_tokens"]
        self._seen.append((line["step"], line["wall_seconds"], tokens))

    @property
    def tokens_per_second(self) -> float:
        """Generated and trained tokens per second of training."""
        (_, first, before), (_, last, after) = self._seen[0], self._seen[-1]
        return (after - before) / max(last - first, 1e-9)

    @property
    def seconds_left(self) -> float:
        """Of training; evaluation comes on top."""
        (begin, first, _), (step, last, _) = self._seen[0], self._seen[-1]
        return (self.steps - step) * (last - first) / max(step - begin, 1)


class Progress:
    """The progress of training: `with Progress(steps) as progress: progress.update(line of metrics.jsonl)`."""

    def __init__(self, steps: int, console: Console | None = None) -> None:
        self.steps = steps
        self.console = console or Console(stderr=True)
        self.pace = Pace(steps)
        self._kinds: set[str] = set()
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._restore: list[Callable[[], object]] = []

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self._bar = Bar(
                TextColumn("training"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[state]}"),
                console=self.console,
                transient=True,
            )
            self._task = self._bar.add_task("training", total=self.steps, state="")
            self._redirect_log()
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        for restore in self._restore:
            restore()
        self._restore.clear()

    def update(self, line: Mapping[str, Any]) -> None:
        """After an optimizer step."""
        step, kind = line["step"], line["kind"]
        self.pace.add(line)
        state = _state(line, self.pace)
        if kind not in self._kinds:
            self._kinds.add(kind)
            log.info("step %d of %d: first %s update", step, self.steps, kind.upper())
        if self._bar is not None:
            self._bar.update(self._task, completed=step, state=state)
        elif step * _PLAIN_LINES // self.steps > (step - 1) * _PLAIN_LINES // self.steps:
            log.info("step %d of %d: %s", step, self.steps, state)

    def _redirect_log(self) -> None:
        """Log lines go above the bar instead of through it."""
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(
                handler, logging.FileHandler
            ):
                stream = handler.stream
                handler.setStream(FileProxy(self.console, stream))
                self._restore.append(partial(handler.setStream, stream))


def _state(line: Mapping[str, Any], pace: Pace) -> str:
    """One step in words: kind, the number that matters, speed, time left."""
    rl = line["kind"] == "rl"
    what = f"RL   reward {line['reward_mean']:.3f}" if rl else f"SFT  loss {line['loss']:.3f}"
    minutes, seconds = divmod(round(pace.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{what}  {pace.tokens_per_second:,.0f} tokens/s  {left} left"


@dataclass
class Phase:
    """Of a run; `result`, once known, is told when it ends."""

    name: str
    result: str = ""


@contextmanager
def phase(name: str) -> Iterator[Phase]:
    """One line in the log when it starts, one when it ends. A phase that fails says nothing more."""
    log.info("%s: start", name)
    started = time.monotonic()
    current = Phase(name)
    yield current
    result = f": {current.result}" if current.result else ""
    log.info("%s: done in %.1f s%s", name, time.monotonic() - started, result)


def in_words(summaries: Mapping[str, SetSummary]) -> str:
    """Greedy accuracy of every set, for the end of a phase."""
    return ", ".join(f"{name} {summary.greedy.value:.3f}" for name, summary in summaries.items())


def closing_table(before: Mapping[str, SetSummary], after: Mapping[str, SetSummary]) -> Table:
    """Accuracies before and after training, a row per set and measure; before may lack sets, or be empty."""
    table = Table(title="accuracy, with 95 % intervals over questions", title_justify="left")
    for column in ("set", "questions", "measure", "before", "after"):
        table.add_column(column, justify="left" if column in ("set", "measure") else "right")
    for name, summary in after.items():
        old = _measures(before[name]) if name in before else {}
        for index, (measure, interval) in enumerate(_measures(summary).items()):
            first = index == 0
            table.add_row(
                name if first else "",
                f"{summary.questions:,}" if first else "",
                measure,
                between(old.get(measure)),
                between(interval),
            )
        table.add_section()
    return table


def show_results(
    before: Mapping[str, SetSummary],
    after: Mapping[str, SetSummary],
    console: Console | None = None,
) -> None:
    """Print the closing table; nothing where nothing was evaluated."""
    if after:
        (console or Console(highlight=False)).print(closing_table(before, after))


def show_checks(
    engine: str,
    facts: Mapping[str, str],
    checks: Sequence[tuple[str, str, str]],
    verdict: str,
    console: Console | None = None,
) -> None:
    """Print what task=doctor found: the machine, then name, result and finding of every check."""
    shown = console or Console(highlight=False)
    for name, value in facts.items():
        shown.print(f"{name:<22} {value}")
    table = Table(title=f"checks of hardware={engine}", title_justify="left")
    for column in ("check", "result", "found"):
        table.add_column(column)
    for row in checks:
        table.add_row(*row)
    shown.print(table)
    shown.print(f"verdict: {verdict}")


def _measures(summary: SetSummary) -> dict[str, Interval]:
    k = summary.samples
    found = {"greedy": summary.greedy, f"avg@{k}": summary.avg, f"maj@{k}": summary.maj}
    found[f"pass@{k}"] = summary.pass_at.get(k)
    return {name: interval for name, interval in found.items() if interval is not None}
