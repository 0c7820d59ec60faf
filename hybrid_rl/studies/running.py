"""Jobs of a study are run: side by side here, where a signal stops them cleanly, or elsewhere by a launcher.

A job that is done is left alone, one that was cut off goes on from its last complete checkpoint, one without a
checkpoint starts anew. It does not know why the jobs are run.
"""

import logging
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hybrid_rl.config.overrides import quoted
from hybrid_rl.errors import USER_ERROR, SettingsError, UserError
from hybrid_rl.evaluation.scores import in_words, read_summaries
from hybrid_rl.execution import launch, resuming, side_by_side
from hybrid_rl.execution.side_by_side import Command, Process
from hybrid_rl.recording.progress import clock
from hybrid_rl.studies.directory import JobState, state_of
from hybrid_rl.studies.jobs import Job
from hybrid_rl.studies.watching import Watch

log = logging.getLogger(__name__)
Launched = tuple[Sequence[str], Path]
"""A job as it is handed to a launcher: what would be typed after `hybrid-rl`, and its run directory."""
Launcher = Callable[[Sequence[Launched]], None]
"""Runs jobs elsewhere, joblib's processes or a cluster's, and comes back when all have ended."""
_STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
_WORDS: Mapping[JobState, str] = {
    "new": "to run", "done": "done", "cut off": "to resume", "no checkpoint": "to restart"
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """How and where the jobs of a study are started."""

    program: Sequence[str]
    """How the study itself was started, without its overrides."""
    launch_dir: Path
    slots: int
    """How many jobs run at a time, without a launcher."""
    launcher: Launcher | None
    lock: int
    """The lock of the study, which every job inherits."""
    start: Callable[[Command], Process] = side_by_side.start_command
    """How a job is started here, without a launcher."""


@dataclass(frozen=True)
class Ended:
    """What became of jobs: the signal that stopped them, if one did, and why some failed."""

    signal: int | None
    failed: Sequence[tuple[Job, str]]


def run(
    title: str, jobs: Sequence[Job], place: Place, after: Mapping[str, str] | None = None
) -> Ended:
    """Run those of the jobs that are not done. `after`: arm -> the arm whose job with the same seed must be done first.

    Raises UserError where a directory holds something else, or a job that is running.
    """
    states = [state_of(job.run, job.settings) for job in jobs]
    todo = ", ".join(f"{count} {_WORDS[state]}" for state, count in Counter(states).items())
    log.info("%s: %s", title, todo)
    pending = [both for both in zip(jobs, states, strict=True) if both[1] != "done"]
    runner = _Runner(pending, place, after or {})
    if place.launcher is not None:
        runner.hand_to(place.launcher)
        return Ended(None, runner.failed)
    with Watch(len(pending)) as watch:
        stopped = side_by_side.run_jobs(
            len(pending),
            place.slots,
            runner.begin,
            runner.ended,
            runner.ready,
            place.start,
            lambda: watch.look(len(runner.over), runner.live),
        )
    return Ended(stopped, runner.failed)


@dataclass
class _Runner:
    """The jobs that are not done: what happens when one begins and when it ends."""

    pending: Sequence[tuple[Job, JobState]]
    place: Place
    after: Mapping[str, str]
    failed: list[tuple[Job, str]] = field(default_factory=list)
    over: set[int] = field(default_factory=set)
    """The jobs that have ended or were left out."""
    live: dict[int, Job] = field(default_factory=dict)
    """The jobs that run here."""
    _seconds: list[float] = field(default_factory=list)

    def ready(self, index: int) -> bool:
        """Whether nothing that the job waits for is still to run."""
        first = self._first(index)
        return first is None or first in self.over

    def begin(self, index: int, slot: int) -> Command | None:
        """Prepare a job to be run here; None where what it waited for failed, or where it cannot be resumed."""
        job, state = self.pending[index]
        if self._is_left_out(index):
            return None
        settings, typed = job.settings, [*self.place.program, *job.typed]
        try:
            if state == "cut off":
                settings = resuming.settings_of_interrupted(job.run.path, ["resume"], {})
                typed = [*self.place.program, f"resume={quoted(job.run.path)}"]
            elif state == "no checkpoint":
                shutil.rmtree(job.run.path)
            directory = launch.prepare(settings, typed, self.place.launch_dir)
        except UserError as error:  # of this job alone
            self.over.add(index)
            self._fail(index, str(error))
            return None
        hardware, slots, cores = settings.hardware, self.place.slots, side_by_side.cores()
        environment = side_by_side.environment(hardware, slot, slots, os.environ, cores)
        arguments = launch.command(hardware, directory.path)
        console = directory.path / "console.txt"
        may_fork = launch.may_fork(hardware)
        self.live[index] = job
        return Command(arguments, environment, console, (self.place.lock,), may_fork)

    def hand_to(self, launcher: Launcher) -> None:
        """Let a launcher run all jobs, in a batch all that are ready, and read how they ended in their status.json."""
        left = list(range(len(self.pending)))
        while left:
            batch = [index for index in left if self.ready(index)]
            left = [index for index in left if index not in batch]
            self._hand_over([index for index in batch if not self._is_left_out(index)], launcher)

    def _hand_over(self, batch: Sequence[int], launcher: Launcher) -> None:
        launched = list[Launched]()
        for job, state in (self.pending[index] for index in batch):
            if state == "no checkpoint":
                shutil.rmtree(job.run.path)
            resume = (f"resume={quoted(job.run.path)}",)
            launched.append((resume if state == "cut off" else job.typed, job.run.path))
        if launched:
            launcher(launched)
        self.over.update(batch)
        for job, _ in (self.pending[index] for index in batch):
            status = job.run.read_status()
            if status.get("state") != "done":
                error = status.get("error", "it has not ended well, and gave no reason")
                self.failed.append((job, _in_a_line(error)))

    def ended(self, index: int, code: int, seconds: float) -> None:
        """Take in how a job ended, and log it with the time that is left."""
        job, _ = self.pending[index]
        self.over.add(index)
        self.live.pop(index, None)
        try:
            code = launch.settle(job.run, code)
        except SettingsError:
            code = USER_ERROR
        self._seconds.append(seconds)
        if code:
            error = _in_a_line(job.run.read_status().get("error", "it gave no reason"))
            self.failed.append((job, error))
            if code in _STOPPED:  # by a signal to the study, or to this job alone
                log.info("%s: %s", job.label, error)
                return
            result = f"failed: {error}"
        else:
            result = in_words(read_summaries(job.run.evaluation("after"))) or "done"
        left = len(self.pending) - len(self.over)
        rest = sum(self._seconds) / len(self._seconds) * -(-left // self.place.slots)
        still = f"{left} left, about {clock(rest)}" if left else "none left"
        log.info("%s: %s; %s; %s", job.label, result, clock(seconds), still)

    def _first(self, index: int) -> int | None:
        """The job that this one waits for; None where it waits for none, or for one that is done."""
        job = self.pending[index][0]
        wanted = (self.after.get(job.arm), job.seed)
        numbered = enumerate(self.pending)
        return next((i for i, (one, _) in numbered if (one.arm, one.seed) == wanted), None)

    def _is_left_out(self, index: int) -> bool:
        """Whether what the job waited for failed, so that it fails too."""
        first = self._first(index)
        if first is None or all(self.pending[first][0] is not job for job, _ in self.failed):
            return False
        self.over.add(index)
        other = self.pending[first][0]
        self._fail(
            index,
            f"{other.label}, which must be done first (study.after), failed; it was not started",
        )
        return True

    def _fail(self, index: int, error: str) -> None:
        """Take in that a job could not begin."""
        job, told = self.pending[index][0], _in_a_line(error)
        self.failed.append((job, told))
        log.info("%s: failed: %s", job.label, told)


def _in_a_line(error: object) -> str:
    """An error in one line, behind which nothing is taken for another job's."""
    return "; ".join(str(error).splitlines())
