"""A study, study=NAME: arms x seeds as ordinary runs under one directory, then their comparison.

Where the study tunes, trials come first, and arms are compared with what was chosen. With study.until=decided not all
seeds are run, but as many as it takes. The same command again goes on where it was. All jobs are composed and checked
before the first one starts.
"""

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from hybrid_rl.config.overrides import key_of
from hybrid_rl.config.study import StudySettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.execution.forking import Forks
from hybrid_rl.reporting import closing_table
from hybrid_rl.reporting.comparison import command, summary
from hybrid_rl.reporting.comparison.arms import ComparisonError, read
from hybrid_rl.reporting.comparison.compare import compare
from hybrid_rl.studies import lacking, preparation, running, tuning, until_decided
from hybrid_rl.studies.directory import claim, hold
from hybrid_rl.studies.jobs import Blueprint, Compose, Job, Problems, unequal, work_in_words
from hybrid_rl.studies.running import Launcher, Place

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """A study whose jobs have been composed and checked."""

    blueprint: Blueprint
    jobs: tuple[Job, ...]
    """The jobs that the comparison may have, with the arms as they are written."""
    written: tuple[Job, ...]
    """The first trial of each arm, as it is written; empty where nothing is tuned."""
    preparation: Job | None = None
    """The run whose model all arms start from; None: they start from the model of the settings."""

    @property
    def definition(self) -> StudySettings:
        return self.blueprint.definition

    @property
    def directory(self) -> Path:
        return self.blueprint.directory


def plan(
    definition: StudySettings, extra: Sequence[str], directory: Path, compose: Compose
) -> Study:
    """The study with all its jobs, seed by seed, so that one cut short has whole comparisons.

    Raises SettingsError with the problems of every arm and of every trial.
    """
    lacks = lacking.lacking(definition, extra, directory, compose)
    for line in lacking.in_words(lacks):
        log.info("%s", line)
    blueprint = Blueprint(definition, tuple(extra), directory, compose, lacking=lacks)
    problems = Problems()
    jobs = _jobs(blueprint, {}, problems)
    of_first_seed = [job for job in jobs if job.seed == definition.seeds[0]]
    name = definition.reference or next(iter(definition.arms))
    reference = next((job for job in of_first_seed if job.arm == name), None)
    if reference := reference or next(iter(of_first_seed), None):
        problems += unequal(reference, of_first_seed)
        problems += _unseen(definition, reference)
    written = () if definition.tune is None else tuple(tuning.check(blueprint, problems))
    first = None if definition.prepare is None else _preparation(blueprint, problems)
    problems.raise_if_any()
    return Study(blueprint, jobs, written, first)


def check(study: Study) -> None:
    """Print the estimate of every arm, and of the tuning; raises SettingsError with what any of them would refuse."""
    from hybrid_rl.tools.check import check_run  # noqa: PLC0415 - heavy: reads the data, starts the verifier

    problems, definition = Problems(), study.definition
    first = () if study.preparation is None else (study.preparation,)
    arms, seeds = len(definition.arms), len(definition.seeds)
    of_first_seed = study.jobs[:arms]
    for job in (*first, *of_first_seed):
        try:
            check_run(job.settings, [*map(key_of, job.typed)])
        except SettingsError as error:
            problems.add(job.where, error)
    console = Console(highlight=False)
    if first:
        console.print("Preparation: 1 run, before all others.")
    if definition.until is not None:
        console.print(until_decided.plan_in_words(definition), markup=False)
    else:
        told = work_in_words(
            f"Comparison: {arms} arms x {seeds} seeds",
            arms * seeds,
            [job.settings for job in of_first_seed],
        )
        console.print(told, markup=False)
    if study.written:
        console.print(tuning.estimate(study.blueprint, study.written), markup=False)
    problems.raise_if_any()


def calibrate(study: Study, price: float | None) -> None:
    """Print the time of all runs, and with the price of a device hour that of the study. Raises UserError."""
    from hybrid_rl.studies.calibration import calibrate_study  # noqa: PLC0415 - not without calibrate=true

    calibrate_study(study.definition, study.jobs, study.written, study.preparation, price)


def run_study(
    study: Study,
    program: Sequence[str],
    typed: Sequence[str],
    launch_dir: Path,
    launcher: Launcher | None = None,
) -> int:
    """Tune and run what is not done yet, then compare; returns the exit code.

    `program` and `typed`: how the study itself was started. `launcher`: None runs as many jobs at a time as study.jobs
    says, here, where a signal stops them cleanly. Raises UserError where the directory holds another study, or a job
    that is running.
    """
    definition, failed = study.definition, list[tuple[Job, str]]()
    with hold(study.directory) as lock, Forks() as forks:
        claim(study.directory, definition.definition(study.blueprint.extra))
        place = Place(program, launch_dir, definition.jobs, launcher, lock, forks.start)
        stopped, jobs = None, study.jobs
        if study.preparation is not None:
            ended = preparation.run(study.preparation, place)
            if ended.failed:
                log.error(
                    "the preparation failed: %s; see %s",
                    ended.failed[0][1],
                    study.preparation.run.log,
                )
                return 1
            stopped = ended.signal
            study = _prepared(study)
            jobs = study.jobs
        if stopped is None and definition.tune is not None:
            tuned = tuning.run(study.blueprint, place)
            stopped = tuned.signal
            failed += tuned.failed
            jobs = () if stopped is not None else _tuned_jobs(study, tuned)
        if stopped is None:
            ended = _run(study, jobs, place)
            stopped = ended.signal
            failed += ended.failed
        if stopped is not None:
            again = shlex.join([*program, *typed])
            log.warning("stopped; continue with the same command: %s", again)
            return 128 + stopped
        _compare(study)
    for job, error in failed:
        log.error("%s failed: %s; see %s", job.label, error, job.run.log)
    return 1 if failed else 0


def _run(study: Study, jobs: Sequence[Job], place: Place) -> running.Ended:
    """Run the jobs of the comparison, or as many of them as it takes until it is decided."""
    definition = study.definition
    if definition.until is not None:
        return until_decided.run(definition, jobs, study.directory, place)
    arms, seeds = len(definition.arms), len(definition.seeds)
    title = f"study {definition.name}: {arms} arms x {seeds} seeds in {study.directory}"
    return running.run(title, jobs, place, definition.after)


def _preparation(blueprint: Blueprint, problems: Problems) -> Job | None:
    """The preparation, if it composes."""
    try:
        return blueprint.preparation()
    except SettingsError as error:
        problems.add("study.prepare", error)
        return None


def _prepared(study: Study) -> Study:
    """The study whose jobs start from the model that the preparation has saved."""
    assert study.preparation is not None
    problems = Problems()
    blueprint = preparation.prepared(study.blueprint, study.preparation)
    jobs = _jobs(blueprint, {}, problems)
    problems.raise_if_any()
    return replace(study, blueprint=blueprint, jobs=jobs)


def _jobs(
    blueprint: Blueprint, chosen: Mapping[str, Sequence[str]], problems: Problems
) -> tuple[Job, ...]:
    """The jobs of the comparison that compose, seed by seed; `chosen` is what is added to each arm's own words."""
    made: dict[tuple[str, int], Job] = {}
    definition = blueprint.definition
    for arm in definition.arms:
        for seed in definition.all_seeds:
            try:
                made[arm, seed] = blueprint.job(arm, seed, chosen.get(arm, ()))
            except SettingsError as error:
                problems.add(f"study.arms.{arm}", error)
                break
    order = ((arm, seed) for seed in definition.all_seeds for arm in definition.arms)
    return tuple(made[key] for key in order if key in made)


def _tuned_jobs(study: Study, tuned: tuning.Tuned) -> tuple[Job, ...]:
    """The jobs of the arms whose tuning is complete, with the chosen settings."""
    problems, after = Problems(), study.definition.after

    def is_complete(arm: str) -> bool:
        return arm in tuned.arms and (arm not in after or is_complete(after[arm]))

    chosen = {arm: found.best.overrides for arm, found in tuned.arms.items()}
    jobs = _jobs(study.blueprint, chosen, problems)
    problems.raise_if_any()
    if left_out := [arm for arm in study.definition.arms if not is_complete(arm)]:
        log.warning("not compared, for their tuning is not complete: %s", ", ".join(left_out))
    return tuple(job for job in jobs if is_complete(job.arm))


def _unseen(definition: StudySettings, job: Job) -> Iterator[str]:
    """A line where the target or the primary outcome is not measured."""
    primary, target, evaluation = definition.primary, definition.target, job.settings.eval
    if target is not None and target.measure != "greedy" and not evaluation.dev_samples:
        yield (
            f"study.target.measure = {target.measure}: needs samples, and eval.dev_samples = 0;"
            " give eval.dev_samples in study.common, or study.target.measure=greedy"
        )
    if primary is None:
        return
    if primary.set not in evaluation.sets:
        yield (
            f"study.primary.set = {primary.set}: is not evaluated; choose one of eval.sets ="
            f" [{', '.join(evaluation.sets)}] with study.primary.set=..., or study.primary=null"
        )
    if primary.measure != "greedy" and not evaluation.samples:
        yield (
            f"study.primary.measure = {primary.measure}: needs samples, and eval.samples = 0;"
            " give eval.samples in study.common, or study.primary.measure=greedy"
        )


def _compare(study: Study) -> None:
    """Writes the comparison, says its conclusion and its notes, and shows a table of the arms."""
    report = study.directory / "report.html"
    try:
        found = compare(read([study.directory], None, None, None))
    except ComparisonError as error:
        log.warning("the runs are not compared: %s", error)
        return
    for sentence in command.write_pages(found, report):
        log.info("%s", sentence)
    closing_table.show_arms(*summary.columns_and_rows(found, axes=["step"]))
    log.info("comparison: %s", report)
