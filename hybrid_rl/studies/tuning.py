"""Equal tuning: every arm has as many trials, seeds and limits as any other, on dev, before the arms are compared.

Trials are ordinary runs under <run_dir>/tune/<arm>/trial_<n>/seed_<seed>/ that evaluate no test set. A finished one is
never run again; what they came to is written to tuning.json, which a restart goes by.
"""

import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from hybrid_rl.config.composing import interval_of
from hybrid_rl.config.overrides import flat, key_of
from hybrid_rl.config.study import StudySettings
from hybrid_rl.config.tuning import TuneSettings
from hybrid_rl.errors import USER_ERROR, SettingsError
from hybrid_rl.recording import tuning as record
from hybrid_rl.recording.budget import AXES
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.tuning import ArmTuning, TrialRecord
from hybrid_rl.studies import running
from hybrid_rl.studies.directory import state_of
from hybrid_rl.studies.jobs import Blueprint, Job, Problems, unequal, work_in_words
from hybrid_rl.studies.running import Place
from hybrid_rl.studies.search import Point, override, points
from hybrid_rl.types import Json

log = logging.getLogger(__name__)
# Guards that stop a run for what the machine did, not for what was learned.
_OF_THE_MACHINE = ("guards.disk", "guards.timeouts")


@dataclass(frozen=True)
class Tuned:
    """The outcomes of all arms whose tuning is complete, the signal that stopped it, and the jobs that failed."""

    arms: Mapping[str, ArmTuning]
    signal: int | None
    failed: Sequence[tuple[Job, str]]


def check(blueprint: Blueprint, problems: Problems) -> list[Job]:
    """Compose the trials of all arms with the first seed, those of an interval at its ends, and add what is wrong.

    Returns the arms as written, as trials.
    """
    tuning = _Tuning(blueprint)
    written = list[Job]()
    for arm in tuning.arms:
        try:
            first = blueprint.trial(arm, 0, (), tuning.tune.seeds[0])
        except SettingsError as error:
            problems.add(f"study.arms.{arm}", error)
            continue
        written.append(first)
        problems += _unmeasured(tuning.tune, first)
        try:
            found = [*points(tuning.tune, arm, _flat(first), [])[1:], *_ends(tuning.tune, arm)]
            trials = [
                blueprint.trial(arm, number, point, first.seed)
                for number, point in enumerate(found, start=1)
            ]
        except SettingsError as error:
            problems.add(f"study.tune.space.{arm}", error)
            continue
        problems += unequal(first, trials)
    if written:
        problems += unequal(written[0], written[1:])
    return written


def run(blueprint: Blueprint, place: Place) -> Tuned:
    """Run the trials that are not finished, and write what they came to as soon as an arm has all of its own.

    An arm with a trial that failed has no outcome; others go on. Raises UserError as `running.run` does.
    """
    tuning = _Tuning(blueprint)
    done = {
        arm: found
        for arm, found in record.read(blueprint.directory).items()
        if arm in tuning.arms and found.like is None
    }
    failed, lost = list[tuple[Job, str]](), set[str]()
    while True:
        pending = list[tuple[int, Job]]()
        for arm in tuning.arms:
            if arm in done or arm in lost:
                continue
            records, unfinished = tuning.records(arm)
            pending += unfinished
            if not unfinished:
                done[arm] = _outcome(records)
                _log_outcome(arm, done[arm])
        arms = done | _of_likeness(blueprint.definition, done)
        record.write(blueprint.directory, arms)
        if not pending:
            return Tuned(arms, None, failed)
        pending.sort(key=lambda numbered: numbered[0])  # trial by trial, all arms in turn
        jobs = [job for _, job in pending]
        ended = running.run(f"tuning of {len(tuning.arms)} arms", jobs, place)
        failed += [(job, error) for job, error in ended.failed if not _guard_stopped(job)]
        if ended.signal is not None:
            return Tuned(arms, ended.signal, failed)
        lost |= {job.arm for job in jobs if not _is_finished(job)}


def estimate(blueprint: Blueprint, written: Sequence[Job]) -> str:
    """The work of the tuning in words: arms x trials x seeds, and the limits of each run."""
    tuning = _Tuning(blueprint)
    tune, count = tuning.tune, len(tuning.arms)
    runs = count * tune.trials * len(tune.seeds)
    return work_in_words(
        f"Tuning: {count} arms x {tune.trials} trials x {len(tune.seeds)} seeds",
        runs,
        [written[0].settings],
    )


def dev_accuracy(lines: Sequence[Mapping[str, Any]], measure: str, looks: int) -> float:
    """The mean of the last `looks` evaluations on dev, of as many as there are if they are fewer.

    `lines` of eval/progress.jsonl; a step that came twice counts once, and the untrained model does not.
    """
    found = {line["step"]: line[measure] for line in lines if line["set"] == "dev" and line["step"]}
    return fmean(found[step] for step in sorted(found)[-looks:])


@dataclass
class _Tuning:
    """The trials of all arms that have a space, each composed once."""

    blueprint: Blueprint
    _jobs: dict[tuple[str, int, int], Job] = field(default_factory=dict)

    @property
    def tune(self) -> TuneSettings:
        tune = self.blueprint.definition.tune
        assert tune is not None
        return tune

    @property
    def arms(self) -> list[str]:
        return [arm for arm in self.blueprint.definition.arms if arm in self.tune.space]

    def records(self, arm: str) -> tuple[list[TrialRecord], list[tuple[int, Job]]]:
        """The records of the first trials that are finished, and the jobs that can be run now, by number of trial."""
        records = list[TrialRecord]()
        written = _flat(self._job(arm, 0, (), self.tune.seeds[0]))
        while len(records) < self.tune.trials:
            found = points(self.tune, arm, written, [one.mean for one in records])
            unfinished = list[tuple[int, Job]]()
            for number in range(len(records), len(found)):
                jobs = [self._job(arm, number, found[number], seed) for seed in self.tune.seeds]
                unfinished += [(number, job) for job in jobs if not _is_finished(job)]
                if not unfinished:
                    records.append(_record(self.tune, arm, found[number], jobs))
            if unfinished:
                return records, unfinished
        return records, []

    def _job(self, arm: str, number: int, point: Point, seed: int) -> Job:
        key = (arm, number, seed)
        if key not in self._jobs:
            self._jobs[key] = self.blueprint.trial(arm, number, point, seed)
        return self._jobs[key]


def _flat(job: Job) -> dict[str, Json]:
    return flat(job.settings.model_dump(mode="json"))


def _unmeasured(tune: TuneSettings, job: Job) -> Iterator[str]:
    """A line for what keeps the accuracy on dev from being known."""
    if job.settings.train.eval_every is None:
        yield (
            f"{job.where}: train.eval_every = null: trials are chosen on dev during training;"
            " give e.g. train.eval_every=20"
        )
    if tune.measure != "greedy" and not job.settings.eval.dev_samples:
        yield (
            f"study.tune.measure = {tune.measure}: needs samples, and {job.arm} has eval.dev_samples = 0; give"
            " eval.dev_samples in study.common, or study.tune.measure=greedy"
        )


def _ends(tune: TuneSettings, arm: str) -> Iterator[Point]:
    """The points at the lower and at the upper ends of an arm's intervals, which stand for all between."""
    space = tune.space[arm]
    for index in (0, 1):
        if any(isinstance(values, str) for values in space.values()):
            yield tuple(
                override(key, interval_of(key, values)[index])
                for key, values in space.items()
                if isinstance(values, str)
            )


def _is_finished(job: Job) -> bool:
    """Whether a trial has its figure. Raises SettingsError where it was started with other settings."""
    return state_of(job.run, job.settings) == "done" or _guard_stopped(job)


def _guard_stopped(job: Job) -> bool:
    """Whether a guard stopped the run, for instance since its loss was not finite: that is a result too."""
    status = job.run.read_status()
    error = str(status.get("error", ""))
    return (
        status.get("state") == "failed"
        and status.get("exit_code") == USER_ERROR
        and error.startswith("guards.")
        and not error.startswith(_OF_THE_MACHINE)
    )


def _record(tune: TuneSettings, arm: str, point: Point, jobs: Sequence[Job]) -> TrialRecord:
    stopped = {job.seed: str(job.run.read_status()["error"]) for job in jobs if _guard_stopped(job)}
    dev = {
        job.seed: 0.0
        if job.seed in stopped
        else dev_accuracy(read_jsonl(job.run.progress), tune.measure, tune.looks)
        for job in jobs
    }
    values = _flat(jobs[0])
    return TrialRecord(
        overrides=[*point],
        settings={key: values.get(key) for key in tune.space[arm]},
        dev=dev,
        mean=fmean(dev.values()),
        stopped=stopped,
        spent=record.total([_spent(job) for job in jobs]),
    )


def _spent(job: Job) -> dict[str, float]:
    lines = read_jsonl(job.run.metrics)
    return {axis: float(lines[-1][axis]) for axis in AXES if axis in lines[-1]} if lines else {}


def _outcome(trials: list[TrialRecord]) -> ArmTuning:
    chosen = record.chosen_of([trial.mean for trial in trials])
    return ArmTuning(trials, chosen, record.total([trial.spent for trial in trials]))


def _of_likeness(definition: StudySettings, done: Mapping[str, ArmTuning]) -> dict[str, ArmTuning]:
    """The outcomes that arms take from others, which cost nothing more; what makes an arm what it is stays."""
    assert definition.tune is not None
    found = {}
    for arm, other in definition.tune.like.items():
        if other in done:
            own = set(definition.arms[arm]) - set(definition.arms[other])
            trials = [_without(trial, set(map(key_of, own))) for trial in done[other].trials]
            found[arm] = replace(done[other], trials=trials, like=other, spent={})
    return found


def _without(trial: TrialRecord, keys: Container[str]) -> TrialRecord:
    """The trial as if it had not varied these settings."""
    return replace(
        trial,
        overrides=[word for word in trial.overrides if key_of(word) not in keys],
        settings={key: value for key, value in trial.settings.items() if key not in keys},
    )


def _log_outcome(arm: str, found: ArmTuning) -> None:
    best = found.best
    words = ", ".join(best.overrides) or "the values as written"
    means = ", ".join(f"{trial.mean:.3f}" for trial in found.trials)
    log.info(
        "tuning of %s: trial %d is chosen, %s; dev by trial: %s", arm, found.chosen, words, means
    )
    for key, edge in found.edges().items():
        log.warning(
            "tuning of %s: %s = %s is the %s that was tried, and a better one may lie beyond; to try it, give"
            " study.tune.space.%s.%s more values in a new run_dir",
            *(arm, key, best.settings[key], edge, arm, key),
        )
