"""The definition of a study's tuning: the same number of trials for every arm, before the arms are compared.

What the trials are and how the best is chosen, `studies` knows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from hybrid_rl.config.composing import interval_of
from hybrid_rl.config.overrides import key_of
from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Section

_EXAMPLE = "{train.rl.learning_rate:[2e-4,4e-4,8e-4,1.6e-3]}"


class TuneSettings(Section):
    """Every arm has `trials` trials with the budget of the study, and is compared with the settings that did best."""

    trials: int = Field(ge=2)
    """Trials of each arm, the first of them with its values as written."""
    seeds: list[int]
    """The seeds of every trial, apart from those of the comparison."""
    measure: Literal["greedy", "avg", "maj"]
    """The accuracy on dev, as a mean over seeds, by which the best trial is chosen; of equal ones the earliest."""
    looks: int = Field(ge=1)
    """The last so many evaluations on dev are averaged, for a single one is noisy."""
    draw: int
    """The seed that draws trials from the points of a space; each value of a list comes as often as any other."""
    common: list[str]
    """Overrides for every trial, after all others; a smaller budget, for instance."""
    space: dict[str, dict[str, list[Any] | str]]
    """Arm -> setting -> its values, or an interval as Hydra's Optuna sweeper writes it, `tag(log, interval(a,b))`."""
    like: dict[str, str]
    """Arm -> the arm whose outcome it takes instead of trials of its own, as a control takes that of its method.

    What the arm's own words set, and those of the other do not, stays as it is: it makes the arm what it is."""


def problems(
    tune: TuneSettings,
    arms: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    waiting: Sequence[str],
    extra: Sequence[str],
) -> Iterator[str]:
    """A line for all that does not fit the study; `waiting` are the arms of study.after."""
    yield from _of_seeds(tune, seeds)
    known = ", ".join(arms)
    for where, name in [("space", name) for name in tune.space] + [("like", n) for n in tune.like]:
        if name not in arms:
            yield f"study.tune.{where}.{name}: is no arm; choose from {known}, or add it to study.arms"
    for arm in arms:
        yield from _of_arm(tune, arm, waiting)
    for arm, other in tune.like.items():
        yield from _of_likeness(tune, arm, other)
    for arm, space in tune.space.items():
        for key, values in space.items():
            yield from _of_values(f"study.tune.space.{arm}.{key}", key, values)
            yield from _typed_too(arm, key, extra)
            yield from _common_too(tune, arm, key)


def _of_seeds(tune: TuneSettings, seeds: Sequence[int]) -> Iterator[str]:
    found = tune.seeds
    if not found or len(set(found)) < len(found) or min(found) < 0:
        yield f"study.tune.seeds = {found}: must be different numbers from 0; e.g. study.tune.seeds=[1000,1001]"
    if both := sorted(set(found) & set(seeds)):
        apart = max([*found, *seeds]) + 1000
        yield (
            f"study.tune.seeds = {found}: has {', '.join(map(str, both))} of study.seeds, and what is chosen by a seed"
            f" is not compared with it; e.g. study.tune.seeds=[{apart},{apart + 1}]"
        )


def _of_arm(tune: TuneSettings, arm: str, waiting: Sequence[str]) -> Iterator[str]:
    if arm in tune.like and arm in tune.space:
        yield f"study.tune.like.{arm} = {tune.like[arm]}: {arm} has study.tune.space.{arm} too; take one of them out"
    elif arm not in tune.like and not tune.space.get(arm):
        yield (
            f"study.tune.space.{arm}: is missing, and every arm is tuned alike; give the values to try, e.g."
            f" 'study.tune.space.{arm}={_EXAMPLE}', or with study.tune.like.{arm} the arm whose outcome it takes"
        )
    elif arm in tune.space and arm in waiting:
        yield (
            f"study.tune.space.{arm}: {arm} waits for runs of the comparison (study.after), which follow the tuning;"
            f" give with study.tune.like.{arm} the arm whose outcome it takes instead"
        )


def _of_likeness(tune: TuneSettings, arm: str, other: str) -> Iterator[str]:
    if not tune.space.get(other):
        tuned = ", ".join(name for name, space in tune.space.items() if space)
        yield f"study.tune.like.{arm} = {other}: has no space of its own; choose from {tuned}"


def _of_values(where: str, key: str, values: list[Any] | str) -> Iterator[str]:
    if "." not in key:
        yield f"{where}: is no single setting, and trials vary those; e.g. train.rl.learning_rate"
    elif isinstance(values, str):
        try:
            interval_of(key, values)
        except SettingsError as error:
            yield f"{where} = {values}: {error}"
    elif len({repr(value) for value in values}) < max(1, len(values)):
        yield f"{where} = {values}: must be different values; e.g. [2e-4, 4e-4]"


def _typed_too(arm: str, key: str, extra: Sequence[str]) -> Iterator[str]:
    for word in extra:
        if _gives(word, key):
            yield (
                f"the command line: {word}: {key} is tuned for {arm}; leave it out, or switch the tuning off with"
                " study.tune=null"
            )


def _common_too(tune: TuneSettings, arm: str, key: str) -> Iterator[str]:
    """A line where all trials would have one value of a tuned setting, since `common` comes after the trial's own."""
    for word in tune.common:
        if _gives(word, key):
            yield (
                f"study.tune.common: {word}: {key} is tuned for {arm}, and this would replace the value of every trial;"
                " leave it out"
            )


def _gives(word: str, key: str) -> bool:
    typed = key_of(word)
    return typed == key or key.startswith(f"{typed}.")
