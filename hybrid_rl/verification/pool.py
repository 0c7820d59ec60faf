"""A pool of processes in which every call has a wall clock, and a call that dies takes nothing with it.

The processes are those of pebble, which kills one on time, whatever it is doing; no signal is used in the parent, so
that calls may come from any thread. It is not `concurrent.futures.ProcessPoolExecutor`: that cannot end a call that has
begun, and one process that dies breaks it for all. This file adds what pebble leaves open: a pool that broke or hangs
is given up for a new one, and calls go on; and a SIGTERM or SIGINT to the whole process group, as Slurm sends it, ends
no call, for the parent may need the answer. Knows nothing of verifiers.
"""

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_PATIENCE_SECONDS = 90.0
"""The time beyond a call's own clock for its process to start and to be killed. After that the pool is given up."""
_CLOSE_SECONDS = 5.0
_MOST_RESTARTS = 3  # in a row, without a call that ended
_FOR_THE_PARENT = (signal.SIGTERM, signal.SIGINT)


class _Process(ForkServerProcess):
    """A process that is killed at once: it is deaf to SIGTERM, with which pebble would begin."""

    def terminate(self) -> None:
        self.kill()


class _Context(ForkServerContext):
    # Not fork: the parent has threads, and may hold a GPU. The server has neither.
    Process = _Process


@dataclass(frozen=True)
class Lost:
    """A call that did not return."""

    reason: str


class KillablePool:
    """A pool that starts with the first call. Two threads must not use it at once."""

    def __init__(
        self,
        workers: int,
        timeout_seconds: float,
        initializer: Callable[[], None],
        preload: Sequence[str] = (),
    ) -> None:
        """`initializer`, which a process can import, is called in every process first.

        `preload`: modules that are imported once, so that a process that replaces a killed one has them at once.
        """
        self._start = partial(ProcessPool, max_workers=workers, initializer=initializer)
        self._timeout = timeout_seconds
        self._preload = list(preload)
        self._pool: ProcessPool | None = None

    def run(
        self,
        function: Callable[..., Answer],
        calls: Sequence[tuple[Any, ...]],
        sizes: Sequence[int] | None = None,
    ) -> list[Answer | Lost]:
        """What `function` returns for each of `calls`, in order; Lost for a call that did not return.

        `sizes`: how many clocks each call has; None: one. Raises what `function` raises, and RuntimeError where new
        processes keep dying before they can work.
        """
        ended: dict[int, Answer | Lost] = {}
        clocks = [self._timeout * size for size in sizes or [1] * len(calls)]
        restarts = 0
        while len(ended) < len(calls):
            before = len(ended)
            try:
                self._run_missing(function, calls, clocks, ended)
            except BrokenProcessPool as error:
                self.close()
                restarts = 0 if len(ended) > before else restarts + 1
                if restarts > _MOST_RESTARTS:
                    raise RuntimeError(
                        "the processes that verify answers end before they can work; is there memory for them?"
                    ) from error
        return [ended[i] for i in range(len(calls))]

    def _run_missing(
        self,
        function: Callable[..., Answer],
        calls: Sequence[tuple[Any, ...]],
        clocks: Sequence[float],
        ended: dict[int, Answer | Lost],
    ) -> None:
        """Fills `ended`; raises BrokenProcessPool when a new pool is needed for the rest."""
        pool = self._running()
        futures = {
            i: pool.schedule(function, args=call, timeout=clocks[i])
            for i, call in enumerate(calls)
            if i not in ended
        }
        for i, future in futures.items():
            try:
                # Calls start in order, so that those before this one have ended by now.
                ended[i] = future.result(timeout=clocks[i] + _PATIENCE_SECONDS)
            except TimeoutError:
                ended[i] = Lost(f"it took longer than {clocks[i]:g} seconds")
            except ProcessExpired as error:
                ended[i] = Lost(f"its process died with exit code {error.exitcode}")
            except BrokenProcessPool:
                raise
            except BaseException:
                # Also when a signal stops the run: what is left must not keep the processes busy.
                self.close()
                raise
            if not future.done():
                log.warning("a process that verifies answers could not be ended; starting others")
                raise BrokenProcessPool("a process does not end")

    def _running(self) -> ProcessPool:
        if self._pool is not None and not self._pool.active:
            self.close()
        if self._pool is None:
            context = _Context()
            context.set_forkserver_preload(self._preload)
            resource_tracker.ensure_running()  # the server would start it, and let the signals through
            with _held_back():
                forkserver.ensure_running()
            self._pool = self._start(context=context)
        return self._pool

    def close(self) -> None:
        """Kills all processes, without waiting for one that cannot be killed; a later call would start new ones."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        pool.stop()  # type: ignore[no-untyped-call] # pebble leaves this one open
        try:
            pool.join(timeout=_CLOSE_SECONDS)
        except TimeoutError:
            log.warning("a process that verifies answers does not end; it is left behind")


def stay() -> None:
    """Makes the signals for the parent do nothing in this process of the pool, from now on.

    They get a handler: signals that are ignored, or held back, would be so in the programs that a verifier starts, too.
    """
    for number in _FOR_THE_PARENT:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_THE_PARENT)


@contextmanager
def _held_back() -> Iterator[None]:
    """Keeps the signals for the parent from processes started inside, and their children, until these call `stay`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
