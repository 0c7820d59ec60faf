"""The console as a view: a run, a study or a report is the same whether or not somebody reads what is printed.

A pipe whose reader has gone (`| head -1`), a closed stdout and a full disk behind it raise errors wherever a library
prints. Here they end the printing alone.
"""

import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO


def as_a_view() -> None:
    """Make stdout and stderr of this process forgive their own failures; called once, as its first act."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except (
            OSError
        ):  # it was closed; the next file to be opened would take its place, and what is printed
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = _forgiving(sys.stdout, 1)
    sys.stderr = _forgiving(sys.stderr, 2)


def _forgiving(stream: TextIO | None, descriptor: int) -> Any:
    if isinstance(stream, View):
        return stream
    return View(stream or open(descriptor, "w", encoding="utf-8", closefd=False), descriptor)


class View:
    """A stream whose failures are nobody's: once a write fails, the rest goes nowhere."""

    def __init__(self, stream: TextIO, descriptor: int) -> None:
        self._stream = stream
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        """Writes, with characters that the encoding lacks as escapes."""
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            return self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError):
            self._drop()
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._drop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _drop(self) -> None:
        """Lets what is still in the buffer, and all that comes, go nowhere; children that inherit it too."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._descriptor)
        os.close(nowhere)
