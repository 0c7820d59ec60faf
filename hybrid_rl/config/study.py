"""The definition of a study: arms x seeds, with a target and how many jobs run at a time.

The values live in conf/study/. A study is no part of a run's settings: each of its jobs is an ordinary run.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError

from hybrid_rl.config import tuning
from hybrid_rl.config.messages import NAME, NAME_RULE, lines
from hybrid_rl.config.overrides import key_of
from hybrid_rl.config.tuning import TuneSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Section

PREPARE = "prepare"
"""The directory of the preparation, within that of the study."""
# Settings that the study itself decides for each job.
_OWNERS = {
    "name": "study.name and the arm",
    "seed": "study.seeds",
    "run_dir": "run_dir of the study",
    "resume": "the study, which goes on by itself",
    "check": "check=true for the whole study",
    "calibrate": "calibrate=true for the whole study",
    "price_per_device_hour": "the command line, for the whole study",
    "task": "the study, which trains",
    "study": "the command line",
}

# Settings of the model that say where its weights come from.
_SOURCE = ("path", "gguf_file", "package", "tokenizer", "revision")


class PrimarySettings(Section):
    """The one outcome that a study is about; all others are explored."""

    set: str
    """A set of eval.sets, measured after training."""
    measure: Literal["greedy", "avg", "maj", "pass"]
    """`avg`, `maj` and `pass` are those of all samples of a question, as many as `eval.samples`."""


class TargetSettings(Section):
    """The accuracy at which the cost of an arm is read off."""

    set: str
    """`dev`: what a run meets during training is what its cost to reach the target is read from."""
    measure: Literal["greedy", "avg", "maj"]
    """The accuracy that counts: greedy, or the mean or majority of samples."""
    value: float = Field(gt=0, le=1)
    """Accuracy, a share of the questions."""


class StudySettings(Section):
    """Every arm is run with every seed; a job is an ordinary run under <run_dir>/<arm>/seed_<seed>/."""

    name: str
    arms: dict[str, list[str]]
    """Arm -> what one would type for it: `grpo: [method=grpo, train.rl.beta=0.01]`."""
    seeds: list[int]
    """The seeds that every arm is run with."""
    until: Literal["decided"] | None
    """`decided`: seeds are added while the question of an arm is open: does its primary outcome differ from the
    reference's? null: `seeds` are all."""
    most_seeds: int | None
    """The most seeds that an arm gets with until=decided; those that are added follow the largest of `seeds`."""
    margin: float | None = Field(gt=0, lt=1)
    """The difference below which until=decided calls an arm as good as the reference; null: such an arm goes on."""
    reference: str | None
    """The arm that the others are compared with; null: the first."""
    common: list[str]
    """Overrides for every arm, before its own: budget, data, evaluation. Those of method.* are left out for an arm
    whose method has no such setting."""
    prepare: list[str] | None
    """Overrides of one run, after those for every arm, whose model all arms start from; null: that of `model`."""
    primary: PrimarySettings | None
    """The outcome that is named before anything is run; null: greedy accuracy on the first set of eval.sets."""
    after: dict[str, str]
    """Arm -> the arm whose job with the same seed must be done before its own starts."""
    tune: TuneSettings | None
    """The tuning of every arm before the comparison; null: arms run as they are written."""
    target: TargetSettings | None
    """The target of cost-to-target; null: none."""
    jobs: int = Field(ge=1)
    """How many jobs run at a time; each has its share of CPU threads, or its own GPUs."""

    @property
    def all_seeds(self) -> list[int]:
        """The seeds that an arm may have, in the order in which they are run."""
        return seeds_up_to(self.seeds, self.most_seeds)

    def definition(self, extra: Sequence[str]) -> dict[str, Any]:
        """The content of study.json; `extra` is what the command line gives to all arms, after their own overrides."""
        fixed = {"until", "most_seeds", "margin"} if self.until is None else set[str]()
        if self.prepare is None:
            fixed = fixed | {"prepare"}
        return {
            **self.model_dump(exclude={"common", "jobs", *fixed}),
            "reference": self.reference or next(iter(self.arms)),
            "common": [*self.common],
            "extra": [*extra],
        }


def seeds_up_to(seeds: Sequence[int], most: int | None) -> list[int]:
    """The seeds with those that may be added, up to `most` of them."""
    first = max(seeds, default=-1) + 1
    return [*seeds, *range(first, first + (most or 0) - len(seeds))]


def load_study(values: Any, extra: Sequence[str]) -> StudySettings:
    """The checked definition; raises SettingsError with every problem."""
    try:
        study = StudySettings.model_validate(values)
    except ValidationError as error:
        found = lines(error, values, Section, schema=StudySettings, prefix="study.")
        raise SettingsError("\n".join(sorted(found.values()))) from error
    problems = [*_problems(study), *_reserved("the command line", extra)]
    if study.tune is not None:
        waiting = [*study.after]
        problems += tuning.problems(study.tune, study.arms, study.all_seeds, waiting, extra)
    if problems:
        raise SettingsError("\n".join(problems))
    return study


def _problems(study: StudySettings) -> Iterator[str]:
    if not study.arms:
        yield "study.arms = {}: a study needs arms; give e.g. 'study.arms.grpo=[\"method=grpo\"]'"
    if not study.seeds or len(set(study.seeds)) < len(study.seeds) or min(study.seeds) < 0:
        yield f"study.seeds = {study.seeds}: must be different numbers from 0; e.g. study.seeds=[0,1,2]"
    if study.reference is not None and study.reference not in study.arms:
        yield f"study.reference = {study.reference}: is no arm; choose from {', '.join(study.arms)}"
    for name in [study.name, *study.arms]:
        if not NAME.fullmatch(name):
            where = "study.name" if name == study.name else "study.arms"
            yield f"{where}: {name} becomes a directory, so {NAME_RULE}; rename it"
    yield from _unprepared(study)
    yield from _order(study)
    yield from _undecidable(study)
    yield from _reserved("study.common", study.common)
    if study.tune is not None:
        yield from _reserved("study.tune.common", study.tune.common)
    for arm, overrides in study.arms.items():
        yield from _reserved(f"study.arms.{arm}", overrides)


def _unprepared(study: StudySettings) -> Iterator[str]:
    """A line for each setting by which an arm would not start from the model of the preparation."""
    if study.prepare is None:
        return
    yield from _reserved("study.prepare", study.prepare)
    if PREPARE in study.arms:
        yield f"study.arms: {PREPARE} is the directory of the preparation; rename the arm"
    spaces = {} if study.tune is None else study.tune.space
    of_arms = {f"study.arms.{arm}": [*words] for arm, words in study.arms.items()}
    of_arms |= {f"study.tune.space.{arm}": [*space] for arm, space in spaces.items()}
    for where, words in of_arms.items():
        for word in words:
            if key_of(word) in ("model", *(f"model.{key}" for key in _SOURCE)):
                yield (
                    f"{where}: {word}: every arm starts from the model of study.prepare;"
                    " give it in study.common or on the command line, which choose what is prepared"
                )


def _undecidable(study: StudySettings) -> Iterator[str]:
    """A line for each setting that does not fit study.until."""
    most = study.most_seeds
    if study.until is None:
        for name, value in (("most_seeds", most), ("margin", study.margin)):
            if value is not None:
                yield f"study.{name} = {value}: is for study.until=decided; give that too, or leave it out"
        return
    if len(study.seeds) < 2:
        yield (
            f"study.seeds = {study.seeds}: one seed does not show how seeds differ, and study.until=decided goes by"
            " that; give two or more, e.g. study.seeds=[0,1,2]"
        )
    if most is None or most <= len(study.seeds):
        yield (
            f"study.most_seeds = {'null' if most is None else most}: must be above the {len(study.seeds)} of"
            f" study.seeds with study.until=decided; e.g. study.most_seeds={4 * max(2, len(study.seeds))}"
        )
    if study.primary is None:
        yield (
            "study.primary = null: study.until=decided goes by the primary outcome;"
            " e.g. 'study.primary={set: hard, measure: greedy}'"
        )
    if len(study.arms) == 1:
        yield "study.until = decided: there is no arm beside the reference; add one to study.arms"


def _order(study: StudySettings) -> Iterator[str]:
    """A line for each arm that could never start."""
    for arm, other in study.after.items():
        for name in (arm, other):
            if name not in study.arms:
                arms = ", ".join(study.arms)
                yield f"study.after.{arm} = {other}: {name} is no arm; choose from {arms}"
        seen = [arm]
        while (following := study.after.get(seen[-1])) is not None and following not in seen:
            seen.append(following)
        if following == arm:
            circle = ", which waits for ".join([*seen, arm])
            yield f"study.after.{arm} = {other}: {circle}; take one of them out"


def _reserved(where: str, overrides: Sequence[str]) -> Iterator[str]:
    for override in overrides:
        key = key_of(override).partition(".")[0]
        if "=" not in override and not override.startswith("~"):
            yield f"{where}: {override}: is no setting=value; write e.g. train.steps=100"
        elif key.startswith("hydra"):
            yield f"{where}: {override}: Hydra's own settings are for the command line; leave it out"
        elif key in _OWNERS:
            yield f"{where}: {override}: decided by {_OWNERS[key]}; leave it out"
