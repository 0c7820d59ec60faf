"""What is measured of one size of the work: processor seconds, and the memory that this process takes for it.

Each function is called in a process of its own, so that nobody else's memory counts. Seconds are those of the
processor, user and system together: other work on the machine hardly changes them. Files, where one is needed, are
there already.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PrinterCallback, TrainerCallback

from hybrid_rl.config import composing
from hybrid_rl.data.encoding import encode
from hybrid_rl.data.splits import load_questions
from hybrid_rl.models import loading
from hybrid_rl.recording import quiet
from hybrid_rl.reporting import run_report
from hybrid_rl.reporting.comparison import command
from hybrid_rl.tools.bench.workload import Workload, random_model
from hybrid_rl.verification.grader import Grader

_STEPS = 3
"""Optimizer steps that count, after a warm-up."""
_LAYERS = 4
_NEVER = (-1,)
"""The tokens that end a completion: none, so that each is as long as it may be."""


class Measured(NamedTuple):
    """What was measured of one size."""

    size: float
    seconds: float
    megabytes: float
    """The largest resident memory beyond that at the start, which the libraries have."""


def step(setting: str, overrides: Sequence[str], directory: Path, size: int) -> Measured:
    """A training step with this value of a setting, by a model of 128 hidden units with random weights."""
    found = _step([*overrides, f"{setting}={size}"], directory, hidden=128)
    return found._replace(size=size)


def step_of_model(overrides: Sequence[str], directory: Path, hidden: int) -> Measured:
    """A training step of a model with so many hidden units; its size is the number of its parameters."""
    return _step(overrides, directory, hidden)


def report(overrides: Sequence[str], directory: Path, size: int) -> Measured:
    """The report of the run that lies in the directory."""
    return _measured(size, lambda: run_report.write(directory))


def page(overrides: Sequence[str], directory: Path, size: int) -> Measured:
    """The page that `hybrid-rl-report` makes of the run that lies in the directory."""
    return _measured(size, lambda: command.write([directory], directory / "page.html"))


def read(overrides: Sequence[str], directory: Path, size: int) -> Measured:
    """The questions of files, read and checked, traces included."""
    settings = composing.settings_of(overrides, directory)
    with Grader(settings.reward) as grader:
        return _measured(size, lambda: load_questions(settings.data, grader, True, True))


def encoded(overrides: Sequence[str], directory: Path, size: int) -> Measured:
    """Questions turned into token ids; their memory includes that of the questions."""
    settings = composing.settings_of(overrides, directory)
    start = _resident("VmRSS")
    tokenizer = loading.load_tokenizer(settings.model)
    with Grader(settings.reward) as grader:
        questions = load_questions(settings.data, grader, True, True)
        found = _measured(
            size,
            lambda: encode(
                questions, tokenizer, settings.data, settings.train, grader.answer_start
            ),
        )
    return found._replace(megabytes=_resident("VmHWM") - start)


class _Ends(TrainerCallback):
    """Notes the processor time at the end of every step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.times.append(time.process_time())


def _step(overrides: Sequence[str], directory: Path, hidden: int) -> Measured:
    """The fastest step of our trainer, in which every group has advantages and every completion its full length."""
    start = _resident("VmRSS")
    quiet.quiet_progress_bars()
    settings = composing.settings_of([*overrides, f"train.steps={1 + _STEPS}"], directory)
    torch.set_num_threads(settings.hardware.threads or 1)
    ends = _Ends()
    with ExitStack() as stack:
        grader = stack.enter_context(Grader(settings.reward))
        workload = Workload.load(settings, grader, mixed_share=1.0)
        workload.model = random_model(workload.model, hidden, _LAYERS)
        workload.vocabulary = replace(workload.vocabulary, eos_ids=_NEVER)
        trainer = workload.ours()
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(ends)
        trainer.train()
    taken = [after - before for before, after in zip(ends.times, ends.times[1:], strict=False)]
    size = loading.parameter_count(workload.model)
    return Measured(size, min(taken), _resident("VmHWM") - start)


def _measured(size: int, work: Callable[[], object]) -> Measured:
    start, began = _resident("VmRSS"), time.process_time()
    work()
    return Measured(size, time.process_time() - began, _resident("VmHWM") - start)


def _resident(name: str) -> float:
    """The resident memory of this process in MB, on Linux: VmRSS is that of now, VmHWM the largest so far."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith(name)]
    return int(line.split()[1]) / 1024
