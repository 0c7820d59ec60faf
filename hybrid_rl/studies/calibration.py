"""calibrate=true: runs that are planned are begun for half a minute each, and what that took gives time and price.

A run that is begun is an ordinary one in a temporary directory, in workers and an environment of its own, as many at a
time as the study runs. `tools.calibration` measures in it, and has the arithmetic.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hybrid_rl.config.settings import Settings
from hybrid_rl.config.study import StudySettings
from hybrid_rl.errors import SettingsError, UserError
from hybrid_rl.execution.forking import Forks
from hybrid_rl.execution.side_by_side import Command, Process, start_command
from hybrid_rl.recording.budget import setting_of
from hybrid_rl.studies import running
from hybrid_rl.studies.directory import hold
from hybrid_rl.studies.jobs import Job
from hybrid_rl.studies.running import Place
from hybrid_rl.tools.calibration.prediction import (
    Measured,
    Prediction,
    device_hours,
    evaluations,
    in_words,
    looks,
    predict,
    side_by_side,
)

_ASSUMED = (
    "steps take what the later ones of those took that were made: searches and completions that grow or shrink further,"
    " and a machine that has more or less to do by then, change that",
    "a mixed method makes as many SFT steps as it plans for; where results or chance decide, that is a guess",
)


def calibrate_run(settings: Settings) -> None:
    """Prints the time and the price of one run. Raises UserError with what kept it from being measured."""
    job = Job(settings.name, settings.seed, settings, (), "the command line", settings.name)
    if (pair := settings.method.paired_with) is not None:
        raise SettingsError(
            f"calibrate = true: {pair[0]} = {pair[1]} follows what another run decides, and takes about as long;"
            " calibrate that one"
        )
    measured = _measured([job], 1, start_command)[job.arm]
    found = predict(settings, measured)
    table = Table("time", "value", "how it comes about", title=f"time and price of {settings.name}")
    for row in rows_of_run(settings, measured, found):
        table.add_row(*row)
    _show(table, [*_left_out({job.arm: measured}), *_ASSUMED])


def rows_of_run(
    settings: Settings, measured: Measured, found: Prediction
) -> Iterator[tuple[str, str, str]]:
    """The rows of a run's table: what takes time, how much, and how that comes about."""
    of_kind = {"sft": found.sft_steps, "rl": found.steps - found.sft_steps}
    parts = [
        f"{of_kind[kind]:,} {kind.upper()} x {axes['seconds']:.3g} s ({measured.counts[kind]} made)"
        for kind, axes in measured.steps.items()
    ]
    if abs(measured.beginning_seconds) >= 0.5:
        parts.append(f"{measured.beginning_seconds:.1f} s more at the beginning")
    end = "" if found.ended_by is None else f"; then {setting_of(found.ended_by)} ends it"
    yield "training", in_words(found.training), " + ".join(parts) + end
    count = looks(settings, found.steps)
    how = f"{count:,} looks x {measured.dev_seconds:.3g} s"
    yield "dev in training", in_words(found.looks), how
    sets = ", ".join(f"{name} {took:.3g} s" for name, took in measured.set_seconds.items())
    times = evaluations(settings)
    yield "evaluation", in_words(found.evaluations), f"{times} x ({sets or 'no sets'})"
    if measured.checkpoint_seconds is not None:
        yield (
            "checkpoints",
            in_words(found.checkpoints),
            f"{measured.checkpoint_seconds:.3g} s each",
        )
    yield "start-up and report", in_words(found.fixed), "measured once"
    yield "wall time", in_words(found.seconds), "the sum, from the start of the run's workers"
    yield from _cost(
        device_hours(settings, found.seconds),
        settings.price_per_device_hour,
        f"x {settings.hardware.world_size} devices",
    )


def calibrate_study(
    definition: StudySettings,
    jobs: Sequence[Job],
    written: Sequence[Job],
    preparation: Job | None,
    price: float | None,
) -> None:
    """Prints the time and the price of a study. `jobs`: those of the comparison, `written`: a trial of each tuned arm.

    Raises UserError with what kept an arm from being measured.
    """
    first = {job.arm: job for job in reversed(jobs)}
    begun = [job for job in first.values() if job.settings.method.paired_with is None]
    begun += [] if preparation is None else [preparation]
    with Forks() as forks:
        measured = _measured(begun, definition.jobs, forks.start)
    # Libraries are loaded once for all jobs of a study, in the time of those that were begun first.
    fixed = min(one.fixed_seconds for one in measured.values())
    measured = {arm: replace(one, fixed_seconds=fixed) for arm, one in measured.items()}
    for arm in first:
        measured.setdefault(arm, measured[definition.after.get(arm, begun[0].arm)])
    table = Table(
        "part", "runs", "a run", "device hours", title=f"time and price of {definition.name}"
    )
    for row in rows_of_study(Planned(definition, jobs, written, preparation), measured, price):
        table.add_row(*row)
    notes = [*_left_out(measured), *_ASSUMED]
    if definition.until is not None:
        notes.append("seeds that are added until the study is decided come on top")
    if preparation is not None:
        notes.append(
            "arms were begun with the model of the settings, for that of the preparation is not made yet"
        )
    _show(table, notes)


@dataclass(frozen=True)
class Planned:
    """The runs of a study."""

    definition: StudySettings
    jobs: Sequence[Job]
    """The runs of the comparison; those with seeds beyond study.seeds are not counted."""
    written: Sequence[Job]
    """A trial of each arm that is tuned."""
    preparation: Job | None


def rows_of_study(
    planned: Planned, measured: Mapping[str, Measured], price: float | None
) -> Iterator[tuple[str, str, str, str]]:
    """The rows of a study's table: part, runs, the time of a run, device hours; at the end those of the whole."""
    definition, hours, wall = planned.definition, 0.0, 0.0
    counted = [job for job in planned.jobs if job.seed in definition.seeds]
    first = [] if planned.preparation is None else [planned.preparation]
    tune = definition.tune
    each = 0 if tune is None else tune.trials * len(tune.seeds)
    number = {(job.arm, job.seed): index for index, job in enumerate(counted)}
    waits = {
        number[job.arm, job.seed]: number[definition.after[job.arm], job.seed]
        for job in counted
        if job.arm in definition.after
    }
    parts = (
        ("", first, no_waits := dict[int, int]()),
        ("tuning ", [job for job in planned.written for _ in range(each)], no_waits),
        ("", counted, waits),
    )
    for prefix, jobs, waiting in parts:
        seconds = [predict(job.settings, measured[job.arm]).seconds for job in jobs]
        spent = [device_hours(job.settings, took) for job, took in zip(jobs, seconds, strict=True)]
        for arm in dict.fromkeys(job.arm for job in jobs):
            own = [index for index, job in enumerate(jobs) if job.arm == arm]
            of_arm = sum(spent[index] for index in own)
            yield f"{prefix}{arm}", str(len(own)), in_words(seconds[own[0]]), f"{of_arm:.2g}"
        wall += side_by_side(seconds, definition.jobs, waiting)
        hours += sum(spent)
    yield "wall time", "", in_words(wall), f"{definition.jobs} at a time"
    for name, value, how in _cost(hours, price, "all runs together"):
        yield name, "", value, how


def _cost(hours: float, price: float | None, how: str) -> Iterator[tuple[str, str, str]]:
    yield "device hours", f"{hours:.2g}", how
    if price is not None:
        yield "price", f"{hours * price:,.2f}", f"at {price:g} per device hour"


def _left_out(measured: Mapping[str, Measured]) -> Iterator[str]:
    if any(one.checkpoint_seconds is None for one in measured.values()):
        yield "checkpoints and the saving of the model are not in it: they are large, and none was written"


def _show(table: Table, notes: Sequence[str]) -> None:
    console = Console(highlight=False)
    console.print(table)
    for note in notes:
        console.print(f"- {note}", markup=False)


def _measured(
    jobs: Sequence[Job], slots: int, start: Callable[[Command], Process]
) -> dict[str, Measured]:
    """Arm -> what its run took that was begun here."""
    directory = Path(tempfile.mkdtemp(prefix="hybrid_rl_calibration_"))
    begun = [replace(job, settings=_begun(job.settings, directory / job.arm)) for job in jobs]
    with hold(directory) as lock:
        place = Place(["hybrid-rl"], Path.cwd(), slots, None, lock, start)
        ended = running.run("calibration", begun, place)
    if ended.signal is not None:
        shutil.rmtree(directory)
        sys.exit(128 + ended.signal)
    if ended.failed:
        raise UserError(
            "\n".join(
                f"calibrate = true: {job.label} could not be measured: {error}; see {job.run.log}"
                for job, error in ended.failed
            )
        )
    found = {job.arm: Measured.read(job.run) for job in begun}
    shutil.rmtree(directory)
    return found


def _begun(settings: Settings, directory: Path) -> Settings:
    """The settings of the run that is begun: no tracker hears of it, and checkpoints are measured apart."""
    train = settings.train.model_copy(update={"save_every": None})
    tracker = settings.tracker.model_copy(update={"name": "none"})
    changed = {"check": True, "run_dir": str(directory), "train": train, "tracker": tracker}
    return settings.model_copy(update=changed)
