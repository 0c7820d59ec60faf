"""The jobs of a study, composed and checked: an arm with a seed is an ordinary run in a directory of its own.

Here is what makes jobs comparable: all are measured alike, on the same questions, with one budget.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hybrid_rl.config.overrides import flat, quoted
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.study import PREPARE, StudySettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording.budget import AXES, limits_of, setting_of
from hybrid_rl.recording.run_directory import RunDir

Compose = Callable[[Sequence[str]], Settings]
"""Makes the checked settings of a run from what is typed for it; raises SettingsError."""
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
    where: str
    """The part of the study that defines it, such as `study.arms.grpo`."""
    label: str

    @property
    def run(self) -> RunDir:
        return RunDir(Path(self.settings.run_dir))


@dataclass(frozen=True)
class Blueprint:
    """What all jobs of a study are made from."""

    definition: StudySettings
    extra: tuple[str, ...]
    """The overrides that the command line gives to all arms."""
    directory: Path
    compose: Compose
    start: tuple[str, ...] = ()
    """The overrides that name the model of the preparation, once there is one."""
    lacking: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Arm -> words for all arms that its method lacks, which are left out for it."""

    def _common(self, arm: str) -> list[str]:
        return [word for word in self.definition.common if word not in self.lacking.get(arm, ())]

    def _extra(self, arm: str) -> list[str]:
        return [word for word in self.extra if word not in self.lacking.get(arm, ())]

    def preparation(self) -> Job:
        """The run whose model every arm starts from; its own words win over those for all. Raises SettingsError."""
        words = self.definition.prepare
        assert words is not None
        where = self.directory / PREPARE
        typed = (
            *self.definition.common,
            *self.extra,
            *words,
            f"name={self.definition.name}-{PREPARE}",
            "seed=0",
            f"run_dir={quoted(where)}",
        )
        return Job(PREPARE, 0, self.compose(typed), typed, "study.prepare", "preparation")

    def job(self, arm: str, seed: int, chosen: Sequence[str] = ()) -> Job:
        """A job of the comparison; `chosen` is what tuning has found for the arm. Raises SettingsError."""
        where = self.directory / arm / f"seed_{seed}"
        fixed = (f"name={self.definition.name}-{arm}", f"seed={seed}", f"run_dir={quoted(where)}")
        typed = (
            *self._common(arm),
            *self.definition.arms[arm],
            *chosen,
            *self._extra(arm),
            *self.start,
            *fixed,
        )
        settings = self.compose(typed)
        return Job(arm, seed, settings, typed, f"study.arms.{arm}", f"{arm} seed {seed}")

    def trial(self, arm: str, number: int, point: Sequence[str], seed: int) -> Job:
        """A job of the arm's tuning. It looks at no test set. Raises SettingsError."""
        tune = self.definition.tune
        assert tune is not None
        where = self.directory / "tune" / arm / f"trial_{number}" / f"seed_{seed}"
        name = f"{self.definition.name}-{arm}-trial_{number}"
        blind = ["eval.sets=[]", "eval.before=false", "eval.best=false"]
        if tune.measure == "greedy":
            # Dev would be sampled for nothing.
            blind += ["eval.samples=0", "eval.dev_samples=0"]
        typed = (
            *self._common(arm),
            *self.definition.arms[arm],
            *point,
            *self._extra(arm),
            *tune.common,
            *self.start,
            *blind,
            f"name={name}",
            f"seed={seed}",
            f"run_dir={quoted(where)}",
        )
        label = f"tuning {arm}, trial {number} seed {seed}"
        return Job(arm, seed, self.compose(typed), typed, f"study.tune.space.{arm}", label)


class Problems(list[str]):
    """What is wrong with the jobs of a study: all of it is told at once."""

    def add(self, where: str, error: SettingsError) -> None:
        """Take in the lines of an error with the place that they are about."""
        self.extend(f"{where}: {line}" for line in str(error).splitlines())

    def raise_if_any(self) -> None:
        """Raise SettingsError with all lines, each once."""
        if self:
            raise SettingsError("\n".join(dict.fromkeys(self)))


def work_in_words(what: str, runs: int, settings: Sequence[Settings]) -> str:
    """How many runs there are, and the limits of each and of all; `settings`: those of a run of each arm.

    A limit in which arms differ is not told.
    """
    start = f"{what} = {runs:,} runs"
    own = [limits_of(one.model_dump()) for one in settings]
    limits = {
        axis: limit
        for axis, limit in own[0].items()
        if limit is not None and all(one[axis] == limit for one in own)
    }
    if not limits:
        steps = {one.train.steps for one in settings}
        return f"{start}, each of {steps.pop():,} steps." if len(steps) == 1 else f"{start}."
    each = " and ".join(f"{setting_of(axis)} = {limit:g}" for axis, limit in limits.items())
    whole = " and ".join(
        f"{runs * limit:g} {AXES[axis]}" for axis, limit in limits.items() if axis in AXES
    )
    return f"{start}, each with {each}" + (f": at most about {whole}." if whole else ".")


def unequal(reference: Job, jobs: Sequence[Job]) -> Iterator[str]:
    """A line for each setting by which jobs would not be measured as the reference is, or not have its budget."""
    expected = flat(_measured(reference.settings))
    for job in jobs:
        found = flat(_measured(job.settings))
        devs = (job.settings.data.dev, reference.settings.data.dev)
        held_out = any(isinstance(dev, int) and dev for dev in devs)
        for key in dict.fromkeys([*expected, *found]):
            if found.get(key) == expected.get(key):
                continue
            differs = f"{job.where}: {key} = {found.get(key)}, where {reference.arm} has {expected.get(key)};"
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
    alike = ("epochs", "eval_every", "patience", "max_completion_tokens")
    train = {key: whole["train"][key] for key in alike}
    if not any(limits_of(whole).values()):
        train["steps"] = whole["train"]["steps"]  # the one limit that there is
    return {**shown, "model": model, "train": train, "budget": whole["budget"]}
