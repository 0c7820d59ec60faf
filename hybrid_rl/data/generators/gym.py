"""Questions of reasoning-gym (arXiv 2505.24760), an optional library of about a hundred generated tasks.

A task is named as in the library and takes the library's own settings. Most have no worked solution, so methods that
learn from traces have nothing to learn there; gsm_symbolic has one for each question. Knows no model and no file.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from random import Random
from typing import Any

from hybrid_rl.errors import DataError
from hybrid_rl.verification.reasoning_gym import Gold, packed

_OURS = ("seed", "size")


@dataclass(frozen=True)
class GymQuestion:
    """A question of the library; its fields are the columns of the row."""

    question: str
    answer: str | None
    """The answer as text, where there is a single right one."""
    metadata: Mapping[str, Any]
    """All else that the task tells; of gsm_symbolic, `answer_cot` is a worked solution."""
    entry: str
    """All of it, which the verifier reasoning_gym needs as its gold answer."""


def rows(size: int, seed: int, task: str, settings: Mapping[str, Any]) -> list[GymQuestion]:
    """The first `size` questions; some tasks draw the same one twice.

    Raises DataError for a task or a setting that the library does not have, or where it is not installed.
    """
    try:
        import reasoning_gym  # noqa: PLC0415 - heavy and optional
        from reasoning_gym.factory import DATASETS  # noqa: PLC0415
    except ImportError as error:
        raise DataError(
            "kind = reasoning_gym: needs the package reasoning-gym; pip install 'hybrid-rl[reasoning-gym]'"
        ) from error
    # It mixes tasks by objects that YAML cannot name.
    tasks = sorted(DATASETS.keys() - {"composite"})
    if task not in tasks:
        near = difflib.get_close_matches(task, tasks, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(tasks)}"
        raise DataError(f"task = {task}: reasoning-gym has no such task; {remedy}")
    known = [field.name for field in fields(DATASETS[task][1]) if field.name not in _OURS]
    if unknown := [name for name in settings if name not in known]:
        raise DataError(
            f"settings.{unknown[0]}: task {task} of reasoning-gym has no such setting; choose from {', '.join(known)}"
        )
    # The library draws question i from seed + i, so neighbouring seeds would share all questions but one.
    own_seed = Random(f"reasoning-gym-{seed}").randrange(2**31)
    try:
        found = reasoning_gym.create_dataset(task, seed=own_seed, size=size, **settings)
    except (AssertionError, TypeError, ValueError) as error:
        raise DataError(
            f"settings = {dict(settings)}: task {task} of reasoning-gym does not take them ({error}); correct them"
        ) from error
    return [
        GymQuestion(
            one["question"], one["answer"], one["metadata"], packed(Gold(task, settings, one))
        )
        for one in (found[index] for index in range(size))
    ]
