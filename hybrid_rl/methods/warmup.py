"""The SFT phase that opens a run: how long it goes on, and which part of the run is left to what follows it.

`OpensWithSft` is the base of the methods that have one: SASR's warm-up, that of the static alternation, and the first
phase of SFT-then-GRPO, none of which needs to know another.
"""

from typing import Annotated

from pydantic import AfterValidator

from hybrid_rl.methods.base import Method, S_co
from hybrid_rl.types import Examples, Span


def _count_or_share(value: int | float) -> int | float:
    if isinstance(value, float) and value >= 1:
        raise ValueError(f"{value} is neither a whole number of steps nor a share below 1")
    return value


StepsOrShare = Annotated[int | float, AfterValidator(_count_or_share)]
"""A whole number of steps, or a share of the run below 1; a fractional number of steps is refused."""


def warmup_length(warmup_steps: int | float, steps: int) -> int:
    """Warm-up updates in a run that ends after `steps`: a count as it is; a share as `share_length` says; 0 is 0.

    Raises ValueError when no step would be left after the warm-up.
    """
    if 0 < warmup_steps < 1 < steps:
        return share_length(warmup_steps, steps)
    length = max(1, int(warmup_steps)) if warmup_steps else 0
    if length >= steps:
        raise ValueError(
            f"method.warmup_steps = {warmup_steps}: a warm-up of {length} leaves none of the "
            f"{steps} steps of train.steps; lower the one or raise the other"
        )
    return length


def share_length(share: float, steps: int) -> int:
    """How many of `steps` begin before `share` of them is over; never all, so that what follows has a step too."""
    near = round(share * steps)
    return min(near + (near / steps < share), steps - 1)


class OpensWithSft(Method[S_co]):
    """Base of the methods that open a run with SFT: the opening, and then what follows it.

    `opens` says whether a step belongs to the opening. A count of updates ends by steps. A share ends with the first
    update that begins when so much of the run is over, by whatever ends it (`recording.budget.progress`); so a budget
    of FLOPs gives SFT that share of them. What follows has the rest of the run as its schedule, `rest`.

    A resume goes on exactly. Under larger limits the opening that is over stays as long as it was, and a share that is
    not over becomes one of the larger run.
    """

    remembered = "opening_updates began"

    def __init__(
        self, settings: S_co, examples: Examples, seed: int, steps: int, opening: int | float
    ) -> None:
        """`opening`: a count of SFT updates, or below 1 a share of the run; 0: there is no opening."""
        super().__init__(settings, examples, seed, steps)
        self.opening = opening
        self.opening_updates: int | None = None if opening else 0
        """The length of the opening; None: it goes on."""
        self.began = 0.0
        """The progress at which what follows the opening began."""

    def opens(self, step: int, progress: float) -> bool:
        """Whether `step`, which begins when `progress` of the run is over, belongs to the opening.

        The first step that does not is remembered as its end.
        """
        if self.opening_updates is None and self._is_over(step, progress):
            self.opening_updates, self.began = step, progress
        return self.opening_updates is None

    @property
    def schedule_of_opening(self) -> Span:
        return Span(0.0, self.opening, in_steps=self.opening >= 1)

    @property
    def rest(self) -> Span:
        """The schedule of what follows the opening."""
        return Span(self.began, 1.0, first_step=self.opening_updates or 0)

    def rescale_progress(self, factor: float) -> None:
        self.began *= factor

    def _is_over(self, step: int, progress: float) -> bool:
        if self.opening >= 1:
            return step >= self.opening
        # The last step is left to what follows, as in `share_length`.
        return progress >= self.opening or step == self.steps - 1
