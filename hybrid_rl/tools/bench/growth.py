"""How time and memory grow: of a training step, of reports, and of loading data, with the size of each.

Sizes are measured one after the other, each in a process that is forked from this one and has its libraries: so what
they took at the start does not count. What is measured there, `one_size` knows.
"""

import importlib
import importlib.util
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from hybrid_rl.config import composing
from hybrid_rl.tools.bench import made_up, one_size
from hybrid_rl.tools.bench.fit import fit
from hybrid_rl.tools.bench.one_size import Measured

_STEP = "train.prompts_per_step=4 method.group_size=8 train.max_completion_tokens=64"
_SMALL_STEP = "train.prompts_per_step=2 method.group_size=4 train.max_completion_tokens=32"
_REPORTED = "reward=numeric"
_WORD_PROBLEMS = "data=gsm8k_files reward=numeric method=sft"
_LEDGER = (
    "data=gsm8k_files reward=exact method=sft data.instruction=null data.answer_pattern=null"
    " data.remove_pattern=null data.columns.trace='{{trace}}' train.max_completion_tokens=256"
)
_LOADED = (
    "hybrid_rl.reporting.plots",
    "transformers.models.llama.modeling_llama",
    "deepspeed",  # which accelerate loads where it is installed
)
"""What is else loaded only once it is needed, so that it would count."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Axis:
    """Something that grows, and what is measured of it."""

    name: str
    sizes: tuple[int, ...]
    overrides: str
    """What is typed beside that of the preset."""
    measure: Callable[[Sequence[str], Path, int], Measured]
    prepare: Callable[[Sequence[str], Path, int], None] | None = None
    """Writes the files that are measured."""


def run_of_steps(overrides: Sequence[str], directory: Path, size: int) -> None:
    """Writes a run of so many optimizer steps, without rollouts."""
    made_up.write_run(directory, composing.settings_of(overrides, directory), size, 0)


def run_of_rollouts(overrides: Sequence[str], directory: Path, size: int) -> None:
    """Writes a run of a hundred optimizer steps that recorded so many rollouts."""
    made_up.write_run(directory, composing.settings_of(overrides, directory), 100, size)


def word_problems(overrides: Sequence[str], directory: Path, size: int) -> None:
    """Writes so many word problems."""
    made_up.write_word_problems(directory, size)


def ledger(overrides: Sequence[str], directory: Path, size: int) -> None:
    """Writes so many questions of the embedded task."""
    made_up.write_ledger(directory, size)


AXES = (
    Axis("a step, rollouts per question", (4, 8, 16, 32), _STEP,
        partial(one_size.step, "method.group_size")),
    Axis("a step, tokens of a completion", (24, 48, 96, 192), _STEP,
        partial(one_size.step, "train.max_completion_tokens")),
    Axis("a step, questions per step", (2, 4, 8, 16), _STEP,
        partial(one_size.step, "train.prompts_per_step")),
    Axis("a step, parameters (128 to 1024 hidden)", (128, 256, 512, 1024), _SMALL_STEP,
        one_size.step_of_model),
    Axis("report.md, rollouts on disk", (10_000, 20_000, 40_000, 80_000), _REPORTED,
        one_size.report, run_of_rollouts),
    # The page takes no more than 20,000.
    Axis("hybrid-rl-report, rollouts on disk", (2_500, 5_000, 10_000, 20_000), _REPORTED,
        one_size.page, run_of_rollouts),
    Axis("report.md, lines of metrics.jsonl", (12_500, 25_000, 50_000, 100_000), _REPORTED,
        one_size.report, run_of_steps),
    Axis("hybrid-rl-report, lines of metrics.jsonl", (12_500, 25_000, 50_000, 100_000), _REPORTED,
        one_size.page, run_of_steps),
    Axis("data read and checked, questions", (12_500, 25_000, 50_000, 100_000), _WORD_PROBLEMS,
        one_size.read, word_problems),
    Axis("data turned into token ids, questions", (12_500, 25_000, 50_000, 100_000), _LEDGER,
        one_size.encoded, ledger),
)  # fmt: skip


def run(overrides: Sequence[str], directory: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measures all sizes of each axis; yields its name, and what was measured with the fit, as JSON values."""
    for name in _LOADED:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    for axis in AXES:
        measured = [_one(axis, overrides, directory, size) for size in axis.sizes]
        sizes, seconds, megabytes = (list(values) for values in zip(*measured, strict=True))
        exponent, error = fit(sizes, seconds)
        found = {"sizes": sizes, "seconds": seconds, "megabytes": megabytes}
        yield axis.name, found | {"exponent": exponent, "error": error}


def _one(axis: Axis, overrides: Sequence[str], directory: Path, size: int) -> Measured:
    """What one size takes. Its files are gone after that."""
    with TemporaryDirectory(dir=directory) as own:
        typed = [*overrides, *axis.overrides.split(), f"data.directory={own}"]
        if axis.prepare is not None:
            _alone(axis.prepare, typed, Path(own), size)
        return _alone(axis.measure, typed, Path(own), size)


def _alone(function: Callable[..., Result], *given: Any) -> Result:
    """What a function returns in a process that is forked for it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(function, *given).result()
