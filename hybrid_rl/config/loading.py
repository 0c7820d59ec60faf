"""Turns what Hydra composed into one frozen Settings, or into a SettingsError that lists every problem at once.

Relative paths become absolute here, and a run without a directory gets a dated one. Imports nothing heavy.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from hybrid_rl.config import chat_templates, resolvers, rules, text_rules
from hybrid_rl.config.messages import Origin, as_typed, lines
from hybrid_rl.config.overrides import flat
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.methods.lookup import TargetError, method_class, settings_class

# Settings that are absolute once loaded. What may be a hub id is made absolute only where such a file exists.
_PATHS = ("run_dir", "resume", "eval.rescore")
_PATHS_OR_IDS = ("model.path", "model.tokenizer", "model.chat_template")
_REFERENCE = re.compile(r"\$\{(\.*)(\w[\w.]*)\}")
"""OmegaConf's reference to a value: its dots, one for the group it stands in and one for each above, and its name."""
for _name, _resolver in resolvers.RESOLVERS.items():
    OmegaConf.register_new_resolver(_name, _resolver, replace=True)
# OmegaConf takes a list for a value of its own only as one of its lists.
OmegaConf.register_new_resolver(
    "test_sets_or_dev", lambda *sets: ListConfig(resolvers.test_sets_or_dev(*sets)), replace=True
)


def load_settings(
    composed: DictConfig,
    launch_dir: Path,
    run_dir: Path | None = None,
    choices: Mapping[str, str | None] | None = None,
    typed: Sequence[str] = (),
) -> Settings:
    """The checked settings of one run.

    `run_dir`: used where the configuration leaves it null; None: runs/<name>/<time> under `launch_dir`. `choices`:
    config group -> chosen option, and `typed`: keys given on the command line; both only make messages better.
    Raises SettingsError.
    """
    missing = _missing(OmegaConf.to_container(composed, resolve=False), "")
    problems = [f"{key} = ???: has no value; give one with {key}=..." for key in missing]
    try:
        values: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        # A reference to a missing value is no second problem.
        raise SettingsError("\n".join(problems) or _unresolved(error, composed)) from error
    if unwritable := [*text_rules.unwritable(values)]:
        raise SettingsError("\n".join(sorted([*problems, *unwritable])))
    for key in missing:
        _remove(values, key.split("."))
    nodes = (values.get("hardware") or {}).get("nodes", 1)
    if nodes != 1 and values.get("run_dir") is None and run_dir is None:
        problems.append(
            f"hardware.nodes = {nodes}: a dated directory would differ; give a run_dir that all nodes see"
        )
    if values.get("run_dir") is None:
        values["run_dir"] = str(run_dir or dated(launch_dir / "runs", str(values.get("name"))))
    _make_absolute(values, launch_dir)
    broken, wrong = _check(values, Origin(choices or {}, typed))
    for key in missing:
        wrong.pop(key, None)
    problems += wrong.values()
    problems += rules.problems(_sound_part(values, broken), broken)
    if problems:
        raise SettingsError("\n".join(sorted(set(problems))))
    settings = Settings.model_validate(values)
    _require_round_trip(settings)
    return settings


def _require_round_trip(settings: Settings) -> None:
    """Raises SettingsError where workers would read other settings in settings.json than these."""
    text = settings.model_dump_json()
    if Settings.model_validate_json(text) == settings:
        return
    ours, theirs = flat(settings.model_dump()), flat(json.loads(text))
    changed = [key for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key)]
    raise SettingsError(
        "\n".join(
            f"{key} = {as_typed(ours.get(key))}: would be {as_typed(theirs.get(key))} in settings.json; give text,"
            " numbers, lists, or groups with keys that are text"
            for key in changed
        )
    )


def _check(values: dict[str, Any], origin: Origin) -> tuple[set[str], dict[str, str]]:
    """The sections that do not fit the schema, and what is wrong with each setting, as a line.

    Moves `method._target_` in `values` to where Settings has it.
    """
    section = values.get("method")
    target = section.pop("_target_", None) if isinstance(section, dict) else None
    if target is None:
        line = "method._target_: is missing; choose a method, e.g. method=grpo"
        return set(Settings.model_fields), {"method._target_": line}
    values["method_target"] = target
    try:
        method = settings_class(method_class(str(target)))
        Settings.model_validate(values)
    except ValidationError as error:
        broken = {str(detail["loc"][0]) for detail in error.errors()}
        return broken, lines(error, values, method, origin)
    except TargetError as error:
        return {"method", "method_target"}, {"method._target_": str(error)}
    return set(), {}


def _sound_part(values: dict[str, Any], broken: set[str]) -> Settings:
    """The settings without their broken sections, so that the other rules can be checked too."""
    sound: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        if name in broken or name not in values:
            continue
        kind: Any = field.annotation
        if name == "method":
            kind = settings_class(method_class(values["method_target"]))
        sound[name] = TypeAdapter(kind).validate_python(values[name])
    return Settings.model_construct(**sound)


def _unresolved(error: OmegaConfBaseException, composed: DictConfig) -> str:
    """A line about the value that refers to what is not there, not about one that refers to that value."""
    values: Any = OmegaConf.to_container(composed, resolve=False)
    key = str(error.full_key)
    for dots, other in _REFERENCE.findall(str(flat(values).get(key))):
        above = key.split(".")[: -len(dots)] if dots else []
        try:
            OmegaConf.select(composed, ".".join([*above, other]))
        except OmegaConfBaseException as cause:
            return _unresolved(cause, composed)
    reason = str(error).splitlines()[0]
    return f"{key}: {reason}; give {key}=..., or what it refers to"


def _missing(value: Any, name: str) -> list[str]:
    """The dotted names of the values that are `???`, sorted."""
    if value == "???":
        return [name]
    if not isinstance(value, dict):
        return []
    return sorted(
        found
        for key, below in value.items()
        for found in _missing(below, f"{name}.{key}" if name else str(key))
    )


def _remove(values: dict[str, Any], path: Sequence[str]) -> None:
    """Take out the value at `path`; one inside a list stays, for its place would go too."""
    here: Any = values
    for part in path[:-1]:
        here = here.get(part) if isinstance(here, dict) else None
    if isinstance(here, dict):
        here.pop(path[-1], None)


def _make_absolute(values: dict[str, Any], launch_dir: Path) -> None:
    """Resolve the paths of `values` in place, relative to the directory of launch."""
    for key in (*_PATHS, *_PATHS_OR_IDS):
        section, _, name = key.rpartition(".")
        holder = values.get(section) if section else values
        if not isinstance(holder, dict) or not isinstance(holder.get(name), str):
            continue
        if key == "model.path" and holder.get("package") is not None:
            continue  # relative to the files of that package
        if key == "model.chat_template" and holder[name] in chat_templates.BY_NAME:
            continue  # whatever lies in the directory
        if key in _PATHS or _is_path(holder[name], launch_dir):
            holder[name] = _absolute(holder[name], launch_dir)
    data = values.get("data")
    if not isinstance(data, dict):
        return
    tests = data.get("test")
    more = tests.values() if isinstance(tests, dict) else ()
    for source in (data.get("train"), data.get("dev"), *more):
        if isinstance(source, dict) and source.get("kind") == "file" and "path" in source:
            source["path"] = _absolute(source["path"], launch_dir)


def _is_path(text: str, launch_dir: Path) -> bool:
    """Whether a text names a file: it says so (`./x`, `/x`, `~/x`), or there is one; `tiny` is the package's own."""
    if "\n" in text or "{" in text or text == "tiny":
        return False
    return text.startswith(("/", "./", "../", "~")) or Path(_absolute(text, launch_dir)).exists()


def _absolute(value: Any, launch_dir: Path) -> Any:
    """A path, or each in a list; the schema refuses what is no text."""
    if isinstance(value, list):
        return [_absolute(item, launch_dir) for item in value]
    is_text = isinstance(value, str)
    return str(Path(launch_dir, Path(value).expanduser()).resolve()) if is_text else value


def dated(root: Path, name: str) -> Path:
    """A directory that does not exist yet: root/name/<yyyymmdd-hhmmss>, numbered within one second."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    candidates = [root / name / stamp] + [root / name / f"{stamp}-{i}" for i in range(2, 100)]
    return next(path for path in candidates if not path.exists())
