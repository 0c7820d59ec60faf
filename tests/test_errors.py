"""Which failures are those of a full disk."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hybrid_rl.errors import is_disk_full, is_failed_write


@contextmanager
def torch_save() -> Iterator[None]:
    """What torch.save makes of an error while it writes."""
    try:
        yield
    finally:
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")


def test_a_full_disk_is_known_by_its_number_its_text_and_what_came_before() -> None:
    text = "Error while serializing: I/O error: No space left on device (os error 28)"
    assert is_disk_full(OSError(errno.ENOSPC, "full"))
    assert is_disk_full(Exception(text))  # as safetensors raises it
    with pytest.raises(RuntimeError) as caught, torch_save():
        raise OSError(errno.ENOSPC, "full")
    assert is_disk_full(caught.value)


def test_other_failures_are_no_full_disk() -> None:
    assert not is_disk_full(OSError(errno.EACCES, "not allowed"))
    assert not is_disk_full(RuntimeError("PytorchStreamWriter failed writing file data/0"))


def test_torch_does_not_tell_why_it_could_not_write() -> None:
    torch = pytest.importorskip("torch")
    for size in (1, 2**20):
        with pytest.raises(RuntimeError) as caught:
            torch.save(torch.zeros(size), "/dev/full")
        assert is_failed_write(caught.value)
        assert not is_disk_full(caught.value)
    assert not is_failed_write(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
