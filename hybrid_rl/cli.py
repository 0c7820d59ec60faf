"""The command `hybrid-rl`: Hydra composes the settings, they are checked, and a run, a study or a check is started.

Hydra runs in this process only; workers read RUN_DIR/settings.json. What a user can fix is printed as clean lines and
ends with exit code 2; anything else is a bug and keeps its traceback. Nothing heavy is imported here, and what only a
study, a multirun or a check needs is imported there, so that `--help` answers at once.
"""

import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from hybrid_rl.config import composing, loading, toy
from hybrid_rl.config.overrides import key_of
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import USER_ERROR, SettingsError, UserError, disk_full
from hybrid_rl.execution import launch, network, resume_point, resuming
from hybrid_rl.recording import console
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir

log = logging.getLogger(__name__)


class JobFailedError(CompactHydraException):
    """A failed job of a multirun; Hydra finishes the others, then prints the message without a traceback."""


def main() -> None:
    """Run the command that was typed; the entry point of the console script."""
    console.as_a_view()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _exit_with(
            f"WORLD_SIZE = {os.environ['WORLD_SIZE']}: hybrid-rl starts its own processes;"
            f" run it without torchrun, with hardware.processes={os.environ['WORLD_SIZE']}"
        )
    # `python -m hybrid_rl` has the directory of launch on the path already: for a user's own method or reward.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    typed = sys.argv[1:]
    wrong = composing.unparsable(typed) or composing.unknown_options(typed)
    if wrong:
        _exit_with("\n".join(wrong))
    sys.argv[1:] = composing.flags_last(composing.open_struct(typed))
    where = str(composing.config_dir())
    hydra.main(version_base="1.3", config_path=where, config_name="config")(_job)()


def _job(config: DictConfig) -> float | None:
    """Run the command, or one job of a multirun; a sweeper that searches reads the last greedy accuracy on dev."""
    multirun = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        code = _run(config, multirun)
    except (UserError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOSPC:
            raise
        message = disk_full() if isinstance(error, OSError) else str(error)
        if multirun:
            raise JobFailedError(message) from error
        _exit_with(message)
    # A signal asks for the end of everything, so it ends a multirun too; any other failure is that of one job.
    stopped = code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    if code and multirun and not stopped:
        raise JobFailedError(
            f"a worker ended with exit code {code}; see the run's status.json and log.txt"
        )
    if code:
        sys.exit(code)
    if not multirun:
        return None
    evaluated = read_jsonl(RunDir(Path(HydraConfig.get().runtime.output_dir)).progress)
    return float(evaluated[-1]["greedy"]) if evaluated else None


def _run(config: DictConfig, multirun: bool) -> int:
    """The exit code of what the configuration asks for: a study, a check, or a run."""
    chosen = HydraConfig.get()
    overrides = [override.removeprefix("++") for override in chosen.overrides.task]
    typed = [key_of(override) for override in overrides]
    if config.get("study") is not None:
        if multirun:
            raise SettingsError("study: a study starts its jobs by itself; leave out -m")
        return _study(config, overrides)
    if config.get("resume") is not None:
        resume = Path(str(config.resume)).expanduser().resolve()
        settings = resuming.settings_of_interrupted(resume, typed, config)
    else:
        run_dir = Path(chosen.runtime.output_dir) if multirun else None
        settings = loading.load_settings(config, Path.cwd(), run_dir, chosen.runtime.choices, typed)
    if multirun:
        from hybrid_rl.studies.multirun import settings_of_job  # noqa: PLC0415 - not for --help

        job = settings_of_job(settings, chosen.sweeper, config)
        if job is None:
            log.info("%s is done already and stays as it is", settings.run_dir)
            return 0
        settings = job
    _warn(settings, typed)
    if settings.check:
        return _check(settings, typed)
    if settings.task == "audit":
        from hybrid_rl.tools.audit.audit import run_audit  # noqa: PLC0415 - not for --help

        logging.getLogger("hybrid_rl").setLevel(logging.WARNING)  # the table says it all
    command_line = ["hybrid-rl", *composing.own_configs(), *overrides]
    if config.get("run_dir") is None and settings.resume is None and not multirun:
        settings = launch.in_new_directory(settings)
    with launch.prepared(settings, command_line, Path.cwd()) as (run, lock):
        log.info("the run directory is %s", run.path)
        if settings.task == "audit":
            passed = run_audit(settings, run.path)
            run.write_status("done", exit_code=0 if passed else 1)
            return 0 if passed else 1
        code = launch.start_workers(settings, run, lock)
    if code > 128:
        log.warning("to continue this run, type: hybrid-rl resume=%s", run.path)
    return code


def _warn(settings: Settings, typed: Sequence[str]) -> None:
    """Tells once what a run, or all jobs of a study, should be read with; an estimate tells of the toy by itself."""
    of_toy = settings.resume is None and not settings.check
    lines = [network.offline_without_hub(settings, os.environ)]
    lines += [toy.warning(settings, typed)] if of_toy else []
    for line in filter(None, lines):
        log.warning("%s", line)


def _check(settings: Settings, typed: Sequence[str]) -> int:
    """Exit code 0 after the estimate of a run; what it would refuse is raised."""
    from hybrid_rl.tools.check import check_run  # noqa: PLC0415 - heavy: reads the data, starts the verifier

    logging.getLogger("hybrid_rl").setLevel(logging.WARNING)  # the table says it all
    if settings.resume is not None:
        resume_point.find(RunDir(Path(settings.run_dir)), settings)
    check_run(settings, typed)
    if settings.calibrate:
        from hybrid_rl.studies.calibration import calibrate_run  # noqa: PLC0415 - not for --help

        calibrate_run(settings)
    return 0


def _study(config: DictConfig, overrides: Sequence[str]) -> int:
    """The exit code of a study, which is planned as a whole before its first run starts."""
    from hybrid_rl.config.study import load_study  # noqa: PLC0415 - not for --help
    from hybrid_rl.studies import study  # noqa: PLC0415 - not for --help: the reports and their libraries
    from hybrid_rl.studies.launcher import chosen_launcher  # noqa: PLC0415 - not for --help

    own = ("study", "run_dir", "check", "calibrate", "price_per_device_hour")
    extra = [given for given in overrides if key_of(given).partition(".")[0] not in own]
    definition = load_study(OmegaConf.to_container(config.study, resolve=True), extra)
    where = config.run_dir or Path("runs", "studies", definition.name)
    directory = Path(where).expanduser().resolve()
    planned = study.plan(definition, extra, directory, composing.Composer())
    first = planned.jobs[0]
    _warn(first.settings, [*map(key_of, first.typed)])
    if config.check:
        logging.getLogger("hybrid_rl").setLevel(logging.WARNING)  # the tables say it all
        study.check(planned)
        if config.calibrate:
            study.calibrate(planned, config.price_per_device_hour)
        return 0
    if config.calibrate:
        raise SettingsError(
            "calibrate = true: belongs to check=true; give that too, or leave it out"
        )
    program = ["hybrid-rl", *composing.own_configs()]
    launcher = chosen_launcher(planned.directory, _job)
    return study.run_study(planned, program, overrides, Path.cwd(), launcher)


def _exit_with(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(USER_ERROR)
