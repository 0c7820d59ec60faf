"""Endless shuffled passes over the training set, addressed by position.

This file is pure. There is one stream of questions and one of demonstrations. Rows follow from (seed, position) alone,
so a resume at any position, in any epoch, continues exactly, and every rank sees the same rows.
"""

import random
from collections.abc import Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Stream(Generic[Item]):
    """A stream of `items`: epoch e is the permutation that `random.Random(f"{seed}-{name}-{e}")` draws.

    Raises ValueError when `items` is empty.
    """

    def __init__(self, items: Sequence[Item], seed: int, name: str) -> None:
        if not items:
            raise ValueError(f"nothing to draw {name} from")
        self.items = items
        self.key = f"{seed}-{name}"
        self.taken = 0
        """The number of items that `following` has given out."""
        self._epoch = -1
        self._order: list[int] = []

    def following(self, count: int) -> list[Item]:
        """The next `count` items."""
        self.taken += count
        return self.take(self.taken - count, count)

    def take(self, position: int, count: int) -> list[Item]:
        """Returns `count` items from `position` on; they may run over the end of an epoch."""
        taken = []
        for index in range(position, position + count):
            epoch, row = divmod(index, len(self.items))
            if epoch != self._epoch:
                self._epoch = epoch
                self._order = list(range(len(self.items)))
                random.Random(f"{self.key}-{epoch}").shuffle(self._order)
            taken.append(self.items[self._order[row]])
        return taken
