"""Hydra as we use it: where its files lie, how a program composes settings, and what we bend in its grammar.

The grammar of overrides is Hydra's, and so is the composition. We only let unknown settings pass to our own schema,
which names all of them at once, tell of an unknown option in one line, and let --config-dir stand anywhere.
"""

import copy
import difflib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hybrid_rl.config import loading, trl_names
from hybrid_rl.config.overrides import key_of, list_typed
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError

_CONFIG_DIR = ("--config-dir", "-cd")
_FLAGS = frozenset(
    {
        *("--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run"),
        *("--multirun", "--shell-completion", "--config-path", "--config-name", "--config-dir"),
        *("--experimental-rerun", "--info"),
    }
)
"""Hydra's own options."""
_OPTION = re.compile(r"\w+=")  # of a group: `open_struct` writes ++ before any other word
_SETTING = re.compile(r"(?!hydra\.)[A-Za-z_][\w.]*=")


class Interval(NamedTuple):
    """The numbers from `low` to `high` that a search may try."""

    low: float
    high: float
    log: bool
    """Whether numbers are drawn on a logarithmic scale."""
    whole: bool


def config_dir() -> Path:
    """The directory of the YAML files: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "conf", package.parent / "conf"):
        if (candidate / "config.yaml").is_file():
            return candidate
    where = f"{package} or {package.parent}"
    raise FileNotFoundError(f"no conf/config.yaml in {where}; reinstall hybrid-rl")


def groups(directory: Path) -> set[str]:
    """The names of the config groups, such as method and data."""
    return {entry.name for entry in directory.iterdir() if entry.is_dir()}


def settings_of(overrides: Sequence[str], run_dir: Path) -> Settings:
    """The settings that a command line would give, for a program instead of a user. Raises SettingsError."""
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose("config", open_struct(overrides))
        return loading.load_settings(config, Path.cwd(), run_dir)


def written(overrides: Sequence[str] = ()) -> Any:
    """The values of a command line as conf/ has them: what refers to another setting still says to which."""
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return OmegaConf.to_container(compose("config", open_struct(overrides)))


def primary_values() -> Any:
    """The values that conf/config.yaml itself has, whatever a command line says."""
    return OmegaConf.to_container(OmegaConf.load(config_dir() / "config.yaml"))


class Composer:
    """Composes many command lines while Hydra runs already, such as the jobs of a study.

    The same options of groups are composed once, by Hydra, which takes most of the time; the settings of a command line
    are then set in a copy, as Hydra sets them.
    """

    def __init__(self) -> None:
        self._chosen: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, overrides: Sequence[str]) -> Settings:
        """The checked settings of one job. Raises SettingsError."""
        try:
            config = self.compose(overrides)
        except HydraException as error:
            raise SettingsError(" ".join(str(error).split())) from error
        return loading.load_settings(config, Path.cwd(), typed=[*map(key_of, overrides)])

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """What Hydra composes. Raises HydraException."""
        words = open_struct(overrides)
        options = tuple(word for word in words if _OPTION.match(word))
        given = [word for word in words if word not in options]
        if not all(word.startswith("++") for word in given):
            return compose("config", words)
        if options not in self._chosen:
            self._chosen[options] = compose("config", list(options))
        config = copy.deepcopy(self._chosen[options])
        for setting in OverridesParser.create().parse_overrides(given):
            key = setting.key_or_group
            is_new = "." not in key and key not in config  # it may be a group that only Hydra knows
            if setting.is_sweep_override() or is_new:
                return compose("config", words)
            try:
                OmegaConf.update(config, key, setting.value(), merge=True, force_add=True)
            except OmegaConfBaseException:
                return compose("config", words)  # which says what is wrong
        return config


def interval_of(key: str, text: str) -> Interval:
    """The interval that `text` writes in the grammar of Hydra's sweeps. Raises SettingsError with rule and remedy."""
    wanted = (
        "must be a list of values, or an interval of increasing numbers as Hydra's Optuna sweeper writes it;"
        ' e.g. "tag(log, interval(1e-4,1e-2))" or "int(interval(2,8))"'
    )
    try:
        found = OverridesParser.create().parse_override(f"{key}={text}").value()
    except HydraException as error:
        raise SettingsError(wanted) from error
    log = isinstance(found, IntervalSweep) and "log" in found.tags
    if not isinstance(found, IntervalSweep) or found.start is None or found.end is None:
        raise SettingsError(wanted)
    if not found.start < found.end or (log and found.start <= 0):
        raise SettingsError(wanted)
    return Interval(found.start, found.end, log, isinstance(found.start, int))


def open_struct(arguments: Sequence[str]) -> list[str]:
    """The command line with `++` before each plain setting, so that Hydra lets unknown keys through.

    Our schema refuses them anyway, all at once and with the nearest name; Hydra would stop at the first, and advise
    to add it with `+`.
    """
    if any(argument.startswith(("-sc", "--shell-completion")) for argument in arguments):
        return list(arguments)
    known = groups(config_dir())
    plain = [_SETTING.match(word) and key_of(word) not in known for word in arguments]
    return [f"++{word}" if own else word for word, own in zip(arguments, plain, strict=True)]


def unknown_options(arguments: Sequence[str]) -> list[str]:
    """A line for each `group=option` that no directory of configs has; Hydra would tell of the first, at length."""
    if any(argument.startswith("hydra.searchpath") for argument in arguments):
        return []  # others are known to Hydra alone
    places = [config_dir(), *map(Path, _config_dirs(arguments))]
    absent = [place for place in places if not place.is_dir()]
    lines = [f"--config-dir {place}: no such directory; correct the path" for place in absent]
    for argument in arguments:
        group, _, option = argument.partition("=")
        if group not in groups(config_dir()) - {"hydra"} or not re.fullmatch(r"[\w.+-]+", option):
            continue
        options = sorted({file.stem for place in places for file in (place / group).glob("*.yaml")})
        if option.removesuffix(".yaml") not in options and option != "null":
            near = difflib.get_close_matches(option, options, 1)
            hint = f"did you mean {near[0]}? choose" if near else "choose"
            lines.append(f"{group} = {option}: no such option; {hint} from {', '.join(options)}")
    return lines


def unparsable(arguments: Sequence[str]) -> list[str]:
    """A line for each override that Hydra's grammar does not take; Hydra would tell of the first, in its own terms."""
    parser, lines = OverridesParser.create(), [*_dashed(arguments)]
    many = bool(_config_dirs(arguments)) or any(  # a config of one's own may say so, too
        one in ("-m", "--multirun") or one.startswith("hydra.mode") for one in arguments
    )
    for before, argument in pairwise(("", *arguments)):
        if argument.startswith("-") or (before.startswith("-") and "=" not in argument):
            continue  # an option of Hydra's own, or its value
        try:
            if parser.parse_override(argument).is_sweep_override() and not many:
                key, _, value = argument.partition("=")
                lines.append(
                    f"{argument}: has several values, which are runs of their own with -m; add -m, or write a list as"
                    f" {key}=[...], and a text in quotes: '{key}=\"{value}\"'"
                )
        except HydraException as error:
            reason = (str(error).strip().splitlines() or ["it is no override"])[0]
            key, _, value = argument.partition("=")
            remedy = (
                f"write the elements of a list in quotes: {list_typed(key, value)}"
                if value.startswith("[") and value.endswith("]")
                else "write key=value, and put a value with other characters than letters, digits and ._-/ in quotes:"
                " 'key=\"value\"'"
            )
            lines.append(f"{argument}: cannot be read ({reason}); {remedy}")
    return lines


def _dashed(arguments: Sequence[str]) -> Iterator[str]:
    """A line for each word with dashes that is no option of Hydra's, which would take --experiment for another one."""
    for argument, after in pairwise((*arguments, "")):
        flag, has_value, value = argument.partition("=")
        if not flag.startswith("--") or flag in _FLAGS:
            continue
        name = flag.lstrip("-").replace("-", "_")
        name = trl_names.OWNERS.get(name) or trl_names.FLAGS.get(name) or name
        if not has_value and after and not after.startswith("-") and "=" not in after:
            value = after
        yield f"{argument}: settings have no dashes; write {name}={value or '...'}"


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
    """The values of --config-dir, in either way of writing it."""
    after = [value for flag, value in pairwise(arguments) if flag in _CONFIG_DIR]
    joined = [word.partition("=")[2] for word in arguments if word.startswith("--config-dir=")]
    return [*after, *joined]


def own_configs() -> list[str]:
    """The --config-dir that was given, for the command line in overrides.txt."""
    sources = HydraConfig.get().runtime.config_sources
    typed = [source.path for source in sources if source.provider == "command-line"]
    return [f"--config-dir={path}" for path in typed]
