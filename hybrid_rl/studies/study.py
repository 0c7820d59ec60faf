"""A study, study=NAME: arms x seeds as ordinary runs under one directory, then their comparison.

The same command again goes on: a job that is done is left alone, one that was cut off resumes from its last complete
checkpoint, one without a checkpoint starts anew. Jobs are composed and checked before the first one starts.
"""

import logging
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hybrid_rl.config.overrides import flat, quoted
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.study import StudySettings
from hybrid_rl.errors import USER_ERROR, SettingsError
from hybrid_rl.evaluation.scores import in_words, read_summaries
from hybrid_rl.execution import launch, resuming, side_by_side
from hybrid_rl.recording.progress import clock
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting.comparison import command
from hybrid_rl.reporting.comparison.arms import ComparisonError
from hybrid_rl.studies.directory import JobState, claim, hold, state_of

log = logging.getLogger(__name__)
Compose = Callable[[Sequence[str]], Settings]
"""Makes the checked settings of a run from what is typed for it; raises SettingsError."""
Launched = tuple[Sequence[str], Path]
"""A job as it is handed to a launcher: what would be typed after `hybrid-rl`, and its run directory."""
Launcher = Callable[[Sequence[Launched]], None]
"""Runs jobs elsewhere, joblib's processes or a cluster's, and comes back when all have ended."""
# Settings of the data in which arms may differ: what is learned from, not what is measured.
_LEARNED = ("data.name", "data.train.", "data.traces", "data.traces_seed", "data.columns.trace")


@dataclass(frozen=True)
class Job:
    """One arm with one seed, an ordinary run."""

    arm: str
    seed: int
    settings: Settings
    typed: tuple[str, ...]
    """The overrides that make this run, for overrides.txt."""

    @property
    def run(self) -> RunDir:
        return RunDir(Path(self.settings.run_dir))

    @property
    def label(self) -> str:
        return f"{self.arm} seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """A study whose jobs have been composed and checked."""

    definition: StudySettings
    extra: tuple[str, ...]
    """The overrides that the command line gives to all arms."""
    directory: Path
    jobs: tuple[Job, ...]


def plan(
    definition: StudySettings, extra: Sequence[str], directory: Path, compose: Compose
) -> Study:
    """The study with all its jobs, seed by seed, so that one cut short has whole comparisons.

    Raises SettingsError with the problems of every arm.
    """
    made: dict[tuple[str, int], Job] = {}
    problems: list[str] = []
    for arm, own in definition.arms.items():
        for seed in definition.seeds:
            where = directory / arm / f"seed_{seed}"
            fixed = [f"name={definition.name}-{arm}", f"seed={seed}", f"run_dir={quoted(where)}"]
            typed = (*definition.common, *own, *extra, *fixed)
            try:
                made[arm, seed] = Job(arm, seed, compose(typed), typed)
            except SettingsError as error:
                problems += [f"study.arms.{arm}: {line}" for line in str(error).splitlines()]
                break
    of_first_seed = [job for job in made.values() if job.seed == definition.seeds[0]]
    problems += _unequal(definition, of_first_seed)
    if problems:
        raise SettingsError("\n".join(problems))
    jobs = tuple(made[arm, seed] for seed in definition.seeds for arm in definition.arms)
    return Study(definition, tuple(extra), directory, jobs)


def check(study: Study) -> None:
    """Print the estimate of every arm; raises SettingsError with what any of them would refuse."""
    from hybrid_rl.tools.check import check_run  # noqa: PLC0415 - heavy: reads the data, starts the verifier

    problems: list[str] = []
    for job in study.jobs[: len(study.definition.arms)]:  # those of the first seed
        try:
            check_run(job.settings)
        except SettingsError as error:
            problems += [f"study.arms.{job.arm}: {line}" for line in str(error).splitlines()]
    if problems:
        raise SettingsError("\n".join(problems))


def run_study(
    study: Study,
    program: Sequence[str],
    typed: Sequence[str],
    launch_dir: Path,
    launcher: Launcher | None = None,
) -> int:
    """Run what is not done yet, then compare; returns the exit code.

    `program` and `typed`: how the study itself was started. `launcher`: None runs as many jobs at a time as study.jobs
    says, here, where a signal stops them cleanly. Raises UserError where the directory holds another study, or a job
    that is running.
    """
    with hold(study.directory) as lock:
        claim(study.directory, study.definition.definition(study.extra))
        states = [state_of(job.run, job.settings) for job in study.jobs]
        _log_plan(study, states)
        pending = [both for both in zip(study.jobs, states, strict=True) if both[1] != "done"]
        runner = _Runner(study, pending, program, launch_dir, lock)
        stopped, slots = None, study.definition.jobs
        if launcher is not None:
            runner.hand_to(launcher)
        else:
            stopped = side_by_side.run_jobs(len(pending), slots, runner.begin, runner.ended)
        if stopped is not None:
            again = shlex.join([*program, *typed])
            log.warning("stopped; continue with the same command: %s", again)
            return 128 + stopped
        _compare(study)
    for job, error in runner.failed:
        log.error("%s failed: %s; see %s", job.label, error, job.run.log)
    return 1 if runner.failed else 0


@dataclass
class _Runner:
    """The jobs of a study that are not done: what happens when one begins and when it ends."""

    study: Study
    pending: Sequence[tuple[Job, JobState]]
    program: Sequence[str]
    launch_dir: Path
    lock: int
    failed: list[tuple[Job, str]] = field(default_factory=list)
    _seconds: list[float] = field(default_factory=list)

    def begin(self, index: int, slot: int) -> side_by_side.Command:
        """Prepare a job to be run here."""
        job, state = self.pending[index]
        settings, typed = job.settings, [*self.program, *job.typed]
        if state == "cut off":
            settings = resuming.settings_of_interrupted(job.run.path, ["resume"], {})
            typed = [*self.program, f"resume={quoted(job.run.path)}"]
        elif state == "no checkpoint":
            shutil.rmtree(job.run.path)
        directory = launch.prepare(settings, typed, self.launch_dir)
        hardware = settings.hardware
        slots, cores = self.study.definition.jobs, side_by_side.cores()
        environment = side_by_side.environment(hardware, slot, slots, os.environ, cores)
        arguments = launch.command(hardware, directory.path)
        console = directory.path / "console.txt"
        return side_by_side.Command(arguments, environment, console, held=(self.lock,))

    def hand_to(self, launcher: Launcher) -> None:
        """Let a launcher run all jobs, and read how they ended in their status.json."""
        jobs = list[Launched]()
        for job, state in self.pending:
            if state == "no checkpoint":
                shutil.rmtree(job.run.path)
            resume = (f"resume={quoted(job.run.path)}",)
            jobs.append((resume if state == "cut off" else job.typed, job.run.path))
        launcher(jobs)
        for job, _ in self.pending:
            status = job.run.read_status()
            if status.get("state") != "done":
                error = status.get("error", "it has not ended well, and gave no reason")
                self.failed.append((job, str(error)))

    def ended(self, index: int, code: int, seconds: float) -> None:
        """Take in how a job ended, and log it with the time that is left."""
        job, _ = self.pending[index]
        try:
            code = launch.settle(job.run, code)
        except SettingsError:
            code = USER_ERROR
        self._seconds.append(seconds)
        if code:
            error = str(job.run.read_status().get("error", "it gave no reason"))
            self.failed.append((job, error))
            result = f"failed: {error}"
        else:
            result = in_words(read_summaries(job.run.evaluation("after"))) or "done"
        left = len(self.pending) - len(self._seconds)
        rest = sum(self._seconds) / len(self._seconds) * -(-left // self.study.definition.jobs)
        still = f"{left} left, about {clock(rest)}" if left else "none left"
        log.info("%s: %s; %s; %s", job.label, result, clock(seconds), still)


def _unequal(definition: StudySettings, jobs: Sequence[Job]) -> Iterator[str]:
    """A line for each setting by which arms would not be measured alike, or not have one budget."""
    if not jobs:
        return
    name = definition.reference or next(iter(definition.arms))
    reference = next((job for job in jobs if job.arm == name), jobs[0])
    expected = flat(_measured(reference.settings))
    for job in jobs:
        found = flat(_measured(job.settings))
        devs = (job.settings.data.dev, reference.settings.data.dev)
        held_out = any(isinstance(dev, int) and dev for dev in devs)
        for key in dict.fromkeys([*expected, *found]):
            if found.get(key) == expected.get(key):
                continue
            differs = f"study.arms.{job.arm}: {key} = {found.get(key)}, where {reference.arm} has {expected.get(key)};"
            if not key.startswith(_LEARNED):
                yield (
                    f"{differs} all arms are measured alike, at equal budgets:"
                    " give it to all, in study.common or on the command line"
                )
            elif held_out and key.startswith("data.train.") and key != "data.train.traces":
                yield (
                    f"{differs} dev is held out of train (data.dev = {job.settings.data.dev}), so that arms would be"
                    " followed on different questions: give data.dev a source of its own, or all arms one data.train"
                )


def _measured(settings: Settings) -> dict[str, Any]:
    """The settings that decide how a run is measured, which questions it meets, and how much it may spend."""
    whole = settings.model_dump(mode="json")
    shown = {key: whole[key] for key in ("data", "reward", "eval")}
    model = {key: whole["model"][key] for key in ("chat_template", "tokenizer", "eos_tokens")}
    train = {key: whole["train"][key] for key in ("eval_every", "max_completion_tokens")}
    if not any(whole["budget"].values()):
        train["steps"] = whole["train"]["steps"]  # the one limit that there is
    return {**shown, "model": model, "train": train, "budget": whole["budget"]}


def _log_plan(study: Study, states: Sequence[JobState]) -> None:
    words = {"new": "to run", "done": "done", "cut off": "to resume", "no checkpoint": "to restart"}
    todo = ", ".join(f"{count} {words[state]}" for state, count in Counter(states).items())
    name, arms, seeds = study.definition.name, study.definition.arms, study.definition.seeds
    form = "study %s: %d arms x %d seeds: %s; in %s"
    log.info(form, name, len(arms), len(seeds), todo, study.directory)


def _compare(study: Study) -> None:
    report = study.directory / "report.html"
    try:
        told = command.write([study.directory], report)
    except ComparisonError as error:
        log.warning("the runs are not compared: %s", error)
    else:
        log.info("%s", told)
        log.info("comparison: %s", report)
