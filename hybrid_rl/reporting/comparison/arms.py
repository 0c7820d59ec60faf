"""The arms of a comparison: runs read from paths and grouped by recipe, and the settings in which arms differ.

A study says itself which runs are an arm. Other runs are put together by their settings.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hybrid_rl.config.overrides import flat
from hybrid_rl.config.study import PREPARE, PrimarySettings, TargetSettings, seeds_up_to
from hybrid_rl.errors import UserError
from hybrid_rl.recording import looks
from hybrid_rl.recording.files import DamagedFileError, read_json
from hybrid_rl.recording.looks import Look
from hybrid_rl.recording.tuning import ArmTuning
from hybrid_rl.recording.tuning import read as read_tuning
from hybrid_rl.reporting.record import RunRecord

# Runs of one arm may differ in these settings, and in those of these sections.
_OWN = frozenset(
    ["seed", "run_dir", "name", "resume", "check", "calibrate", "price_per_device_hour", "study"]
)
_OWN_SECTIONS = ("tracker", "hardware")
_LONGEST_LABEL = 60  # characters
_REFERENCES = ("sft_then_grpo", "grpo")  # chosen where nobody says which arm it is


class ComparisonError(UserError):
    """Runs that cannot be compared; the message says which, and what to give instead."""


@dataclass(frozen=True)
class Sequential:
    """What a study is that adds seeds until it is decided."""

    directory: Path
    """The directory of the study, whose looks.json has its decisions."""
    most_seeds: int
    margin: float | None
    looks: dict[str, Look]
    """The last look at every arm; none where the comparison is about another outcome or reference than they were."""


@dataclass(frozen=True)
class Arm:
    """The runs of one recipe, which differ in their seed."""

    name: str
    records: list[RunRecord]
    """All runs by seed, those without an evaluation after training included."""

    @property
    def evaluated(self) -> list[RunRecord]:
        return [record for record in self.records if record.after]

    @property
    def seeds(self) -> list[int]:
        return [seed_of(record) for record in self.evaluated]


@dataclass(frozen=True)
class Arms:
    """All arms of a comparison, the reference first, the target whose cost is to be found, and the primary outcome."""

    title: str
    arms: list[Arm]
    reference: str
    target: TargetSettings | None
    primary: PrimarySettings | None = None
    """None: greedy accuracy on the first set."""
    planned: bool = False
    """Whether a study fixed the primary outcome before it ran anything, so that no result could suggest it."""
    tuning: Mapping[str, ArmTuning] = field(default_factory=dict)
    """The tuning of each arm before the comparison; empty where nothing was tuned."""
    preparation: RunRecord | None = None
    """The run whose model all arms started from; None where a study had none, or for other runs."""
    sequential: Sequential | None = None
    """None: all seeds were fixed beforehand."""
    damaged: Sequence[str] = ()
    """What is wrong with each run that is left out, since a file of it is damaged."""

    @property
    def records(self) -> list[RunRecord]:
        return [record for arm in self.arms for record in arm.records]


def read(
    paths: Sequence[Path],
    reference: str | None = None,
    target: float | None = None,
    primary: PrimarySettings | None = None,
) -> Arms:
    """The arms of the runs in `paths`: one study directory; or run directories, or directories of them at any depth.

    `reference`, `target` (a greedy accuracy on dev) and `primary` replace what a study says. Raises ComparisonError
    where there is no run, and for a reference that is no arm.
    """
    study = paths[0] / "study.json" if len(paths) == 1 else None
    if study is not None and study.is_file():
        found = _of_study(paths[0], read_json(study))
    else:
        damaged: list[str] = []
        records = _whole(_runs(paths), damaged)
        title = paths[0].resolve().name if len(paths) == 1 else "runs"
        found = Arms(
            title,
            _by_settings(records),
            "",
            None,
            sequential=_sequential_of(records),
            damaged=damaged,
        )
    if not found.records:
        raise ComparisonError("\n".join(found.damaged)) if found.damaged else _no_run(*paths)
    names = [arm.name for arm in found.arms]
    chosen = reference or found.reference or next((n for n in _REFERENCES if n in names), names[0])
    if chosen not in names:
        advice = f"Choose from {', '.join(names)}."
        raise ComparisonError(f"--reference {chosen}: these runs have no such arm. {advice}")
    wanted = found.target
    if target is not None:
        wanted = TargetSettings(set="dev", measure="greedy", value=target)
    # The reference comes first: all others are compared with it.
    ordered = sorted(found.arms, key=lambda arm: arm.name != chosen)
    outcome, sequential = primary or found.primary, found.sequential
    if sequential is not None and (outcome, chosen) != (found.primary, found.reference):
        sequential = replace(sequential, looks={})
    return replace(
        found,
        arms=ordered,
        reference=chosen,
        target=wanted,
        primary=outcome,
        planned=found.planned and outcome == found.primary,
        sequential=sequential,
    )


def _whole(runs: Sequence[Path], damaged: list[str]) -> list[RunRecord]:
    """The records of the runs whose files are whole; what is wrong with each other run is added to `damaged`."""
    records = []
    for run in runs:
        try:
            record = RunRecord.read(run)
            record.read_rest()
        except DamagedFileError as error:
            damaged.append(f"{error}; this run is left out of the comparison.")
        else:
            records.append(record)
    return records


def _no_run(*paths: Path) -> ComparisonError:
    return ComparisonError(
        f"There is no run in {', '.join(map(str, paths))}. Give run directories, or that of a sweep or a study."
    )


def seed_of(record: RunRecord) -> int:
    return int(record.settings.get("seed", 0))


def spent(record: RunRecord, axis: str) -> float | None:
    """What a run spent in all on a budget axis; None where it did not record it."""
    value = record.metrics[-1].get(axis) if record.metrics else None
    return None if value is None else float(value)


def recipe(record: RunRecord) -> dict[str, Any]:
    """A run's settings by dotted key, without those in which runs of one recipe differ anyway."""
    return {
        key: value
        for key, value in flat(record.settings).items()
        if key not in _OWN and key.partition(".")[0] not in _OWN_SECTIONS
    }


def differing(records: Sequence[RunRecord]) -> list[str]:
    """The dotted keys whose values are not the same in all runs, in the order of the settings."""
    found = [recipe(record) for record in records]
    keys = dict.fromkeys(key for one in found for key in one)
    return [key for key in keys if any(one.get(key) != found[0].get(key) for one in found)]


def setting_table(arms: Arms) -> list[list[str]]:
    """Rows of the settings in which arms differ: a name, then the value in every arm, `-` where an arm has none."""
    firsts = [arm.records[0] for arm in arms.arms]
    recipes = [recipe(record) for record in firsts]
    return [
        [key, *(_as_text(found[key]) if key in found else "-" for found in recipes)]
        for key in differing(firsts)
        if key != "method_target"  # method.name says it
    ]


def environment_table(arms: Arms) -> list[list[str]]:
    """Rows of what the runs ran on and what they read: a name, then its value, or several where runs differ."""
    found: dict[str, dict[str, None]] = {}
    for record in arms.records:
        environment, data = record.environment, record.data
        rows: dict[str, Any] = {"commit": record.commit}
        rows |= {
            key: environment.get(key) for key in ("python", "platform", "cpu_count", "devices")
        }
        rows |= environment.get("packages", {})
        rows |= {f"{name}: questions": f"{n:,}" for name, n in data.get("questions", {}).items()}
        rows["train: expert traces"] = data.get("traces")
        hashes = data.get("fingerprint", {})
        rows |= {f"{name}: sha256 of the questions": digest for name, digest in hashes.items()}
        for key, value in rows.items():
            if value not in (None, [], {}):
                found.setdefault(key, {})[_as_text(value)] = None
    return [[key, "; ".join(values)] for key, values in found.items()]


def _of_study(directory: Path, definition: Mapping[str, Any]) -> Arms:
    arms = []
    damaged: list[str] = []
    for name in definition["arms"]:
        seeds = seeds_up_to(definition["seeds"], definition.get("most_seeds"))
        runs = [directory / name / f"seed_{seed}" for seed in seeds]
        if there := _whole([run for run in runs if (run / "settings.json").is_file()], damaged):
            arms.append(Arm(name, there))
    target = definition.get("target")
    known = {arm.name for arm in arms}
    reference = definition["reference"] if definition["reference"] in known else ""
    primary = definition.get("primary")
    sequential = None
    if definition.get("until") is not None:
        last = looks.last(looks.read(directory))
        sequential = _sequential(directory, definition, last)
    first = directory / PREPARE
    prepared = definition.get("prepare") is not None and (first / "settings.json").is_file()
    return Arms(
        definition["name"],
        arms,
        reference,
        target and TargetSettings(**target),
        primary and PrimarySettings(**primary),
        planned=True,
        tuning={arm: found for arm, found in read_tuning(directory).items() if arm in known},
        preparation=RunRecord.read(first) if prepared else None,
        sequential=sequential,
        damaged=damaged,
    )


def _sequential(
    directory: Path, definition: Mapping[str, Any], last: dict[str, Look]
) -> Sequential:
    return Sequential(directory, definition["most_seeds"], definition["margin"], last)


def _sequential_of(records: Sequence[RunRecord]) -> Sequential | None:
    """The study that added seeds by looks, if these are runs of one; without its looks, which saw whole arms."""
    for directory in dict.fromkeys(record.directory.path.parent.parent for record in records):
        study = directory / "study.json"
        definition = read_json(study) if study.is_file() else {}
        if definition.get("until") is not None:
            return _sequential(directory, definition, {})
    return None


def _runs(paths: Sequence[Path]) -> list[Path]:
    """The run directories at or below the paths, each once."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            advice = "Give run directories, or a directory above them."
            raise ComparisonError(f"{path} is not a directory. {advice}")
        inside = [path] if (path / "settings.json").is_file() else _below(path)
        if not inside:
            raise _no_run(path)
        found |= dict.fromkeys(run.resolve() for run in inside)
    return list(found)


def _below(path: Path) -> list[Path]:
    """The runs below a directory. It does not look into a run, whose checkpoints may hold settings too."""
    found = []
    for entry in sorted(path.iterdir(), key=_natural):
        if entry.is_dir() and not entry.is_symlink():
            found += [entry] if (entry / "settings.json").is_file() else _below(entry)
    return found


def _natural(path: Path) -> tuple[int, str]:
    """A key that sorts numbered directories by number, as sweeps make them: 2 before 10."""
    head = path.name.partition("-")[0]
    return (int(head) if head.isdigit() else -1), path.name


def _by_settings(records: Sequence[RunRecord]) -> list[Arm]:
    """The runs in one arm per recipe, named by method and by what sets it apart from others of that method."""
    methods: dict[str, list[RunRecord]] = {}
    for record in records:
        methods.setdefault(record.method, []).append(record)
    arms = []
    for method, runs in methods.items():
        keys = differing(runs)
        groups: dict[str, list[RunRecord]] = {}
        for run, found in zip(runs, map(recipe, runs), strict=True):
            values = ", ".join(f"{key}={_short(found.get(key))}" for key in keys)
            groups.setdefault(values, []).append(run)
        for number, (values, group) in enumerate(groups.items(), start=1):
            # A long difference gives way to a number; the table of settings has it.
            own = f" ({values})" if len(values) <= _LONGEST_LABEL else f" #{number}"
            arms.append(Arm(method + own if keys else method, sorted(group, key=seed_of)))
    return arms


def _short(value: Any) -> str:
    return "null" if value is None else str(value)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
