"""Who is whose parent: processes that end with theirs, and the adoption of grandchildren. Linux only.

The constants are those of linux/prctl.h.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(number: int) -> None:
    """Ask the kernel for signal `number` to this process when its parent has ended."""
    _prctl(_PR_SET_PDEATHSIG, number)


@contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of each descendant whose own parent ends inside the block, as init would else."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _prctl(_PR_SET_CHILD_SUBREAPER, 0)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}): {os.strerror(ctypes.get_errno())}")
