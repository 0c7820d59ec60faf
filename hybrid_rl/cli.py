"""The command line: composes with Hydra, checks, and hands on. Hydra is known here and nowhere else.

Hydra runs in this process only; workers read RUN_DIR/settings.json. What a user can fix is printed as clean lines and
ends with exit code 2, anything else is a bug and keeps its traceback.
"""

import copy
import difflib
import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra import compose
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import CompactHydraException, HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, read_write

from hybrid_rl import launch, loading, resuming, study, study_settings
from hybrid_rl.rundir import USER_ERROR, RunDir, UsedDirectoryError, read_jsonl
from hybrid_rl.settings import Settings, SettingsError
from hybrid_rl.study_directory import state_of
from hybrid_rl.study_settings import key_of

log = logging.getLogger(__name__)

_CONFIG_DIR = ("--config-dir", "-cd")
_SETTING = re.compile(r"[A-Za-z_][\w.]*=")


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


def config_dir() -> Path:
    """Where the YAML files are: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "conf", package.parent / "conf"):
        if (candidate / "config.yaml").is_file():
            return candidate
    raise FileNotFoundError(
        f"no conf/config.yaml in {package} or {package.parent}; reinstall hybrid-rl"
    )


def settings_of(overrides: Sequence[str], run_dir: Path) -> Settings:
    """The settings that a command line would give, for a program instead of a user. Raises SettingsError."""
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        arguments = open_struct(overrides, groups(config_dir()))
        return loading.load(compose("config", arguments), Path.cwd(), run_dir)


def groups(directory: Path) -> set[str]:
    """Names of the config groups."""
    return {entry.name for entry in directory.iterdir() if entry.is_dir()}


def open_struct(arguments: Sequence[str], groups: set[str]) -> list[str]:
    """The command line with `++` before each plain setting, so that Hydra lets unknown keys through.

    Our schema refuses them anyway, all at once and with the nearest name; Hydra would stop at the first, and advise
    to add it with `+`.
    """
    if any(argument.startswith(("-sc", "--shell-completion")) for argument in arguments):
        return list(arguments)
    return [
        f"++{argument}"
        if _SETTING.match(argument)
        and not argument.startswith("hydra.")
        and key_of(argument) not in groups
        else argument
        for argument in arguments
    ]


def unknown_options(arguments: Sequence[str]) -> list[str]:
    """A line for each `group=option` that no directory of configs has; Hydra would tell of the first, at length."""
    if any(argument.startswith("hydra.searchpath") for argument in arguments):
        return []  # others are known to Hydra alone
    places = [config_dir(), *map(Path, _config_dirs(arguments))]
    lines = [
        f"--config-dir {place}: no such directory; correct the path"
        for place in places
        if not place.is_dir()
    ]
    for argument in arguments:
        group, _, option = argument.partition("=")
        if group not in groups(config_dir()) - {"hydra"} or not re.fullmatch(r"[\w.+-]+", option):
            continue
        options = sorted({file.stem for place in places for file in (place / group).glob("*.yaml")})
        if option.removesuffix(".yaml") not in options and option != "null":
            near = difflib.get_close_matches(option, options, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            lines.append(
                f"{group} = {option}: no such option; {hint}choose from {', '.join(options)}"
            )
    return lines


def flags_last(arguments: Sequence[str]) -> list[str]:
    """The same command line with --config-dir at its end: Hydra takes settings in one piece only."""
    rest = list(arguments)
    flags = []
    for flag in _CONFIG_DIR:
        while flag in rest[:-1]:
            index = rest.index(flag)
            flags += rest[index : index + 2]
            del rest[index : index + 2]
    return [*rest, *flags]


def _config_dirs(arguments: Sequence[str]) -> list[str]:
    """Values of --config-dir, in either way of writing it."""
    after = [value for flag, value in pairwise(arguments) if flag in _CONFIG_DIR]
    joined = [word.partition("=")[2] for word in arguments if word.startswith("--config-dir=")]
    return [*after, *joined]


def _job(config: DictConfig) -> float | None:
    """One run, or one job of a multirun. Sweepers that search read the result: the last greedy accuracy on dev."""
    multirun = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        code = _run(config, multirun)
    except (SettingsError, UsedDirectoryError) as error:
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
        settings = resuming.load(resume, typed, config)
    else:
        run_dir = Path(chosen.runtime.output_dir) if multirun else None
        settings = loading.load(config, Path.cwd(), run_dir, chosen.runtime.choices, typed)
    if multirun:
        problems = list(search_problems(chosen.sweeper, settings))
        if problems:
            raise SettingsError("\n".join(problems))
        if settings.resume is None and _is_started_again(settings):
            if state_of(RunDir(Path(settings.run_dir)), settings) == "done":
                log.info("%s is done", settings.run_dir)
                return 0
            settings = resuming.load(Path(settings.run_dir), ["resume"], config)
    if settings.check:
        from hybrid_rl import estimate  # noqa: PLC0415 - heavy: reads the data and starts the verifier

        logging.getLogger("hybrid_rl").setLevel(logging.WARNING)  # the table says it all
        estimate.check(settings)
        return 0
    run = launch.prepare(settings, ["hybrid-rl", *_own_configs(), *overrides], Path.cwd())
    log.info("run directory %s", run.path)
    code = launch.start(settings, run)
    if code > 128:
        log.warning("continue with: hybrid-rl resume=%s", run.path)
    return code


def search_problems(sweeper: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """Why a sweeper that searches could do nothing, or the wrong thing, with what its jobs return."""
    if sweeper["_target_"].endswith(".BasicSweeper"):
        return
    direction = sweeper.get("direction")
    # The plugin's default is a member of its enum.
    direction = getattr(direction, "name", direction)
    if sweeper["_target_"].endswith(".OptunaSweeper") and direction != "maximize":
        yield (
            f"hydra.sweeper.direction = {direction}: a job returns its last greedy accuracy on dev, of which more is"
            " better; type hydra.sweeper.direction=maximize"
        )
    if settings.check:
        yield "check = true: there is no accuracy to search by; check one job without -m"
    elif settings.task != "train":
        yield f"task = {settings.task}: a search goes by the accuracy on dev while training; type task=train"
    elif settings.train.eval_every is None:
        yield "train.eval_every = null: a search goes by the last accuracy on dev; give e.g. train.eval_every=20"


def _is_started_again(settings: Settings) -> bool:
    """Whether a job of a multirun, which a launcher may requeue, finds a run that was begun: it is not to be refused.

    One over several nodes is: the others could not tell the settings of this start from those of the last.
    """
    begun = RunDir(Path(settings.run_dir)).settings.is_file()
    return begun and settings.task == "train" and settings.hardware.nodes == 1


def _study(config: DictConfig, overrides: Sequence[str]) -> int:
    """The exit code of a study; see `study`."""
    own = ("run_dir", "check")
    extra = [o for o in overrides if key_of(o).partition(".")[0] not in ("study", *own)]
    definition = study_settings.load(OmegaConf.to_container(config.study, resolve=True), extra)
    where = config.run_dir or Path("runs", "studies", definition.name)
    planned = study.plan(definition, extra, Path(where).expanduser().resolve(), _composed)
    if config.check:
        logging.getLogger("hybrid_rl").setLevel(logging.WARNING)  # the tables say it all
        study.check(planned)
        return 0
    program = ["hybrid-rl", *_own_configs()]
    return study.run(planned, program, overrides, Path.cwd(), _chosen_launcher(planned.directory))


def _composed(overrides: Sequence[str]) -> Settings:
    """The settings of one job of a study."""
    try:
        config = compose("config", open_struct(overrides, groups(config_dir())))
    except HydraException as error:
        raise SettingsError(" ".join(str(error).split())) from error
    return loading.load(config, Path.cwd(), typed=[key_of(override) for override in overrides])


def _chosen_launcher(directory: Path) -> study.Launcher | None:
    """What runs the jobs of a study by Hydra's launcher, where one is chosen; None: the study runs them itself.

    Hydra's own sweepers vary one setting per axis, while an arm is several; a launcher takes any list of overrides.
    """
    if HydraConfig.get().launcher._target_.endswith(".BasicLauncher"):
        return None
    config: Any = copy.deepcopy(
        HydraConfig.instance().cfg
    )  # typed as its `hydra` section, which it holds
    with read_write(config.hydra):
        config.hydra.sweep.dir = str(directory)
    context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks(config))
    launcher = Plugins.instance().instantiate_launcher(context, _job, config)

    def launch_all(jobs: Sequence[study.Launched]) -> None:
        typed = [
            [
                *open_struct(job.typed, groups(config_dir())),
                f"hydra.sweep.subdir={job.directory.relative_to(directory)}",
                "hydra.mode=MULTIRUN",
            ]
            for job in jobs
        ]
        launcher.launch(typed, initial_job_idx=0)

    return launch_all


def _own_configs() -> list[str]:
    """The --config-dir that was given, for the command line in overrides.txt."""
    sources = HydraConfig.get().runtime.config_sources
    return [
        f"--config-dir={source.path}" for source in sources if source.provider == "command-line"
    ]


def _exit_with(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(USER_ERROR)
