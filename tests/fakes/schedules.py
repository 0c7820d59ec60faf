"""Positions on learning-rate schedules, for tests of methods."""

from collections.abc import Iterable, Sequence

from hybrid_rl.types import Update


def positions(updates: Sequence[Update], steps: Iterable[int], of: int) -> list[float]:
    """Where each of the updates stands on its schedule, as it begins, in a run that ends after `of` steps."""
    numbered = zip(updates, steps, strict=True)
    return [update.schedule_span.position(step, step / of) for update, step in numbered]
