"""The jobs of a study as they are handed over: what is left alone, what goes on, and what waits for another job."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hybrid_rl.execution import forking, launch
from hybrid_rl.studies import running, study
from hybrid_rl.studies.jobs import Compose, Job
from hybrid_rl.studies.running import Launched, Launcher, Place
from tests.fakes.places import ROOT
from tests.fakes.refusing_worker import MISTAKES
from tests.studies.conftest import begun, planned


def place(launcher: Launcher) -> Place:
    return Place(["hybrid-rl"], Path(), slots=1, launcher=launcher, lock=0)


def launcher(jobs: Sequence[Job], failing: str, batches: list[list[str]]) -> Launcher:
    """A launcher that does all jobs but those of one arm, and keeps their labels by batch."""
    by_path = {job.run.path: job for job in jobs}

    def launch(handed: Sequence[Launched]) -> None:
        found = [by_path[path] for _, path in handed]
        batches.append([job.label for job in found])
        for job in found:
            state = "failed" if job.arm == failing else "done"
            begun(job).write_status(state, error="no disk" if job.arm == failing else None)

    return launch


def test_a_job_starts_when_the_one_it_waits_for_is_done(
    tmp_path: Path, job_settings: Compose
) -> None:
    jobs = planned(tmp_path, job_settings).jobs
    begun(jobs[1]).write_status("done")  # rl with seed 0
    batches: list[list[str]] = []
    ended = running.run("two", jobs, place(launcher(jobs, "", batches)), {"base": "rl"})
    assert batches == [["base seed 0", "rl seed 1"], ["base seed 1"]]
    assert (ended.signal, ended.failed) == (None, [])


def test_a_job_whose_prerequisite_failed_fails_without_a_start(
    tmp_path: Path, job_settings: Compose
) -> None:
    jobs = planned(tmp_path, job_settings, seeds=[3]).jobs
    batches: list[list[str]] = []
    ended = running.run("two", jobs, place(launcher(jobs, "rl", batches)), {"base": "rl"})
    assert batches == [["rl seed 3"]]
    assert [(job.label, error) for job, error in ended.failed] == [
        ("rl seed 3", "no disk"),
        (
            "base seed 3",
            "rl seed 3, which must be done first (study.after), failed; it was not started",
        ),
    ]
    assert not jobs[0].run.path.exists()


def test_here_too_a_job_waits_and_fails_with_the_other(
    tmp_path: Path, job_settings: Compose
) -> None:
    jobs = planned(tmp_path, job_settings, seeds=[3]).jobs
    pending = [(job, "new") for job in jobs]
    runner = running._Runner(pending, place(lambda handed: None), {"base": "rl"})
    assert [runner.ready(index) for index in (0, 1)] == [False, True]
    begun(jobs[1])
    runner.ended(1, 137, 1.0)
    assert runner.ready(0)
    assert runner.begin(0, 0) is None
    assert [job.label for job, _ in runner.failed] == ["rl seed 3", "base seed 3"]


def test_a_job_that_a_signal_stops_is_told_as_stopped_and_those_that_run_are_known(
    tmp_path: Path, job_settings: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = planned(tmp_path, job_settings, seeds=[3]).jobs
    runner = running._Runner([(job, "new") for job in jobs], place(lambda handed: None), {})
    assert runner.begin(0, 0) is not None
    assert runner.live == {0: jobs[0]}
    jobs[0].run.write_status("stopped", error="stopped by SIGTERM", exit_code=143)
    with caplog.at_level(logging.INFO):
        runner.ended(0, 143, 1.0)
    assert caplog.messages == ["base seed 3: stopped by SIGTERM"]
    assert (runner.live, runner.over) == ({}, {0})
    assert runner.failed == [(jobs[0], "stopped by SIGTERM")]


@pytest.mark.parametrize("forked", [True, False])
def test_what_one_job_refuses_is_a_line_that_names_it_and_the_others_go_on(
    forked: bool,
    tmp_path: Path,
    job_settings: Compose,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its two lines are one. Without a fork server each job is a command."""
    fake = [sys.executable, "-m", "tests.fakes.refusing_worker"]
    monkeypatch.setattr(launch, "worker_command", lambda run: [*fake, str(run)])
    monkeypatch.setattr(study, "Forks", lambda: forking.Forks(["hybrid_rl.worker"]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if not forked:
        monkeypatch.setattr(forking, "_obstacle", lambda: "a test")
    made = planned(tmp_path, job_settings)
    made = replace(made, jobs=made.jobs[::-1])  # a job that refuses comes first
    caplog.set_level(logging.INFO, "hybrid_rl")
    assert study.run_study(made, ["hybrid-rl"], ["study=two"], tmp_path) == 1
    assert ("each job loads the libraries itself" in caplog.text) == (not forked)
    told = [one.message for one in caplog.records if "data.a = 1" in one.message]
    error = "; ".join(MISTAKES)
    assert [line.partition("; 0:0")[0] for line in told] == [
        *(f"rl seed {seed}: failed: {error}" for seed in (1, 0)),
        *(f"rl seed {seed} failed: {error}; see {tmp_path / 'rl' / f'seed_{seed}' / 'log.txt'}" for seed in (1, 0)),
    ]  # fmt: skip
    for job in made.jobs:
        state = {"rl": ("failed", 2), "base": ("done", None)}[job.arm]
        status = job.run.read_status()
        assert (status["state"], status.get("exit_code")) == state
        assert "Traceback" not in (job.run.path / "console.txt").read_text()
