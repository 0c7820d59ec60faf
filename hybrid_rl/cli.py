"""The command line: composes with Hydra, checks, and hands on. Hydra is known here and nowhere else.

Hydra runs in this process only; workers read RUN_DIR/settings.json. What a user can fix is printed as clean lines and
ends with exit code 2, anything else is a bug and keeps its traceback.
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

from hybrid_rl.config import loading
from hybrid_rl.config.composing import (
    composed,
    config_dir,
    flags_last,
    groups,
    open_struct,
    own_configs,
    unknown_options,
)
from hybrid_rl.config.overrides import key_of
from hybrid_rl.config.study import load_study
from hybrid_rl.errors import USER_ERROR, SettingsError, UserError
from hybrid_rl.execution import launch, resuming
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.studies import study
from hybrid_rl.studies.directory import state_of
from hybrid_rl.studies.launcher import chosen_launcher
from hybrid_rl.studies.multirun import is_started_again, search_problems

log = logging.getLogger(__name__)
DISK_FULL = (
    "run_dir: no space is left on its disk, so not even status.json could be written; free some,"
    " and resume=RUN_DIR goes on from the last complete checkpoint"
)


class JobFailedError(CompactHydraException):
    """One job of a multirun; Hydra finishes the others, then prints the message without a traceback."""


def main() -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _exit_with(
            f"WORLD_SIZE = {os.environ['WORLD_SIZE']}: hybrid-rl starts its own processes;"
            f" run it without torchrun, with hardware.processes={os.environ['WORLD_SIZE']}"
        )
    # `python -m hybrid_rl` has the directory of launch on the path already: for a user's own method or reward.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    typed = sys.argv[1:]
    unknown = unknown_options(typed)
    if unknown:
        _exit_with("\n".join(unknown))
    sys.argv[1:] = flags_last(open_struct(typed, groups(config_dir())))
    task = hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")(_job)
    task()


def _job(config: DictConfig) -> float | None:
    """One run, or one job of a multirun. Sweepers that search read the result: the last greedy accuracy on dev."""
    multirun = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        code = _run(config, multirun)
    except UserError as error:
        if multirun:
            raise JobFailedError(str(error)) from error
        _exit_with(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        if multirun:
            raise JobFailedError(DISK_FULL) from error
        _exit_with(DISK_FULL)
    stopped = code in (128 + signal.SIGINT, 128 + signal.SIGTERM)  # ends a multirun too
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
    """The exit code."""
    chosen = HydraConfig.get()
    overrides = [override.removeprefix("++") for override in chosen.overrides.task]
    typed = [key_of(override) for override in overrides]
    if config.get("study") is not None:
        if multirun:
            raise SettingsError("study: is a multirun of its own; leave out -m")
        return _study(config, overrides)
    if config.get("resume") is not None:
        resume = Path(str(config.resume)).expanduser().resolve()
        settings = resuming.settings_of_interrupted(resume, typed, config)
    else:
        run_dir = Path(chosen.runtime.output_dir) if multirun else None
        settings = loading.load_settings(config, Path.cwd(), run_dir, chosen.runtime.choices, typed)
    if multirun:
        problems = list(search_problems(chosen.sweeper, settings))
        if problems:
            raise SettingsError("\n".join(problems))
        if settings.resume is None and is_started_again(settings):
            if state_of(RunDir(Path(settings.run_dir)), settings) == "done":
                log.info("%s is done", settings.run_dir)
                return 0
            settings = resuming.settings_of_interrupted(Path(settings.run_dir), ["resume"], config)
    if settings.check:
        from hybrid_rl.tools import estimate  # noqa: PLC0415 - heavy: reads the data and starts the verifier

        logging.getLogger("hybrid_rl").setLevel(logging.WARNING)  # the table says it all
        estimate.check(settings)
        return 0
    run = launch.prepare(settings, ["hybrid-rl", *own_configs(), *overrides], Path.cwd())
    log.info("run directory %s", run.path)
    code = launch.start_workers(settings, run)
    if code > 128:
        log.warning("continue with: hybrid-rl resume=%s", run.path)
    return code


def _study(config: DictConfig, overrides: Sequence[str]) -> int:
    """The exit code of a study; see `study`."""
    own = ("run_dir", "check")
    extra = [o for o in overrides if key_of(o).partition(".")[0] not in ("study", *own)]
    definition = load_study(OmegaConf.to_container(config.study, resolve=True), extra)
    where = config.run_dir or Path("runs", "studies", definition.name)
    planned = study.plan(definition, extra, Path(where).expanduser().resolve(), composed)
    if config.check:
        logging.getLogger("hybrid_rl").setLevel(logging.WARNING)  # the tables say it all
        study.check(planned)
        return 0
    program = ["hybrid-rl", *own_configs()]
    return study.run_study(
        planned, program, overrides, Path.cwd(), chosen_launcher(planned.directory, _job)
    )


def _exit_with(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(USER_ERROR)
