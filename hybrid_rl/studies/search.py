"""The points of an arm's space that are tried: all or a draw of a grid, or what Optuna asks for.

A point is what is typed for it. Points depend on the definition and on the figures of earlier trials alone, so that a
study which is started again goes on with the same ones. It runs nothing.
"""

import importlib.util
import json
import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hybrid_rl.config.composing import Interval, interval_of
from hybrid_rl.config.tuning import TuneSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Json

Point = tuple[str, ...]
"""The overrides of a trial; empty for the arm as written."""
_WRITTEN: Point = ()
_DRAWS = 200
"""Of so many draws from a grid the most even one is taken: by chance alone an arm may never try a larger rate."""


def points(
    tune: TuneSettings, arm: str, written: Mapping[str, Json], means: Sequence[float]
) -> list[Point]:
    """The points that can be tried by now, the arm as written first; in all they come to `tune.trials`.

    `written`: the value of every setting by dotted key, of the arm as written; a grid leaves that point out. `means`:
    the figures of the trials so far, which a search by Optuna goes by. Raises SettingsError for a grid that is too
    small, and where Optuna is not installed.
    """
    space = tune.space[arm]
    if any(isinstance(values, str) for values in space.values()):
        return [_WRITTEN, *_asked(tune, arm, means)]
    found = [
        point
        for values in product(*(tuple(found) for found in space.values()))
        if any(written.get(key) != value for key, value in zip(space, values, strict=True))
        if (point := tuple(map(override, space, values)))
    ]
    wanted = tune.trials - 1
    if len(found) < wanted:
        raise SettingsError(
            f"too few points beside the arm as written: {len(found)}, and study.tune.trials = {tune.trials} needs"
            f" {wanted}; give more values, or study.tune.trials={len(found) + 1}"
        )
    if len(found) > wanted:
        generator = random.Random(f"{tune.draw}-{arm}")
        first = tuple(override(key, written.get(key)) for key in space)
        draws = (generator.sample(found, wanted) for _ in range(_DRAWS))
        found = min(draws, key=lambda drawn: _unevenness([first, *drawn]))
    return [_WRITTEN, *found]


def _unevenness(trials: Sequence[Point]) -> int:
    """The sum of squares of how often each value is tried: least where every value of a setting is tried as often."""
    return sum(count**2 for count in Counter(word for point in trials for word in point).values())


def override(key: str, value: Any) -> str:
    """What one types for a value; text is taken as it stands."""
    return f"{key}={value if isinstance(value, str) else json.dumps(value)}"


def _asked(tune: TuneSettings, arm: str, means: Sequence[float]) -> list[Point]:
    """What Optuna's seeded sampler (TPE) asks for after these figures; its first ten questions are random draws.

    The arm as written, trial 0, is not told, since its values may lie outside of the space.
    """
    if importlib.util.find_spec("optuna") is None:
        raise SettingsError(
            "an interval needs Optuna; pip install 'hybrid-rl[optuna]', or give lists of values"
        )
    import optuna  # noqa: PLC0415 - an extra

    optuna.logging.set_verbosity(logging.WARNING)
    seed = random.Random(f"{tune.draw}-{arm}").getrandbits(32)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    asked = list[Point]()
    for number in range(1, min(tune.trials, len(means) + 1)):
        trial = study.ask()
        asked.append(tuple(_suggested(trial, *entry) for entry in tune.space[arm].items()))
        if number < len(means):
            study.tell(trial, means[number])
    return asked


def _suggested(trial: Any, key: str, values: list[Any] | str) -> str:
    if not isinstance(values, str):
        index = trial.suggest_categorical(key, list(range(len(values))))
        return override(key, values[index])
    found: Interval = interval_of(key, values)
    if found.whole:
        return override(key, trial.suggest_int(key, int(found.low), int(found.high), log=found.log))
    return override(key, trial.suggest_float(key, found.low, found.high, log=found.log))
