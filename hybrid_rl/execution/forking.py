"""Jobs start from a process that has their libraries loaded: a worker's imports cost more than a short run.

There is one such process, a `fork_server`, for each environment, so that a job has the variables that it would have
had, also those that are read while libraries are loaded. Where none can be had, a job is started as a command, and a
line of the log says why.
"""

import importlib.util
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from hybrid_rl.execution import process_tree, side_by_side
from hybrid_rl.execution.fork_server import MOST_BYTES, READY
from hybrid_rl.execution.side_by_side import Command, Process

log = logging.getLogger(__name__)

_LOADED = (
    "hybrid_rl.run",
    # What a run loads only when it comes to it, or has accelerate load where it is installed.
    "transformers.models.llama.modeling_llama",
    *(["deepspeed"] if importlib.util.find_spec("deepspeed") else []),
    "hybrid_rl.reporting.plots",
)
_PATIENCE_SECONDS = 60.0
"""The time to fork once, after which the server is given up."""


class Forks:
    """Starts jobs, those that may be forked from processes that have `modules` loaded. A `with` ends these."""

    def __init__(self, modules: Sequence[str] = _LOADED) -> None:
        self._modules = modules
        self._servers: dict[object, _Server] = {}

    def start(self, command: Command) -> Process:
        """Start a job. While libraries are being loaded it waits, and begins when it is polled after that."""
        if not command.may_fork:
            return side_by_side.start_command(command)
        kind = (frozenset(command.environment.items()), os.getcwd(), command.held)
        if kind not in self._servers:
            self._servers[kind] = _Server(self._modules, command)
        return _Job(command, self._servers[kind])

    def __enter__(self) -> "Forks":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for server in self._servers.values():
            server.close()


class _Server:
    """The process that forks the jobs of one environment, seen from here."""

    def __init__(self, modules: Sequence[str], command: Command) -> None:
        """Start it, unless something forbids that. What it prints while it loads goes where this command's words go."""
        self._process: subprocess.Popen[bytes] | None = None
        self._loaded = False
        self._began = time.monotonic()
        self._connection, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its_end:
            if (obstacle := _obstacle()) is not None:
                self._give_up(obstacle)
                return
            program = [sys.executable, "-m", "hybrid_rl.execution.fork_server"]
            self._process = side_by_side.start_command(
                Command(
                    [*program, str(its_end.fileno()), *modules],
                    command.environment,
                    command.output,
                    (its_end.fileno(), *command.held),
                )
            )

    def has_settled(self) -> bool:
        """Whether it forks now, or is known not to."""
        if self._process is not None and not self._loaded and _is_readable(self._connection, 0):
            said = self._received()
            if said == READY:
                self._loaded = True
                seconds = time.monotonic() - self._began
                log.info("libraries are loaded, once for all jobs, in %.0f s", seconds)
            else:
                self._give_up(
                    said or "the process that loads them ended; see the job's console.txt"
                )
        return self._process is None or self._loaded

    def fork(self, command: Command) -> "_Forked | None":
        """A new process that runs the command; None where there will be none."""
        if self._process is None:
            return None
        program = list(command.arguments)[2:]  # what follows `python -m`
        request = json.dumps(program).encode()
        assert len(request) <= MOST_BYTES, "a job's command is a few paths long"
        with command.output.open("ab") as output, process_tree.adopting():
            try:
                socket.send_fds(self._connection, [request], [output.fileno()])
            except OSError:
                said = ""  # it has ended
            else:
                said = self._received() if _is_readable(self._connection, _PATIENCE_SECONDS) else ""
        if said.isdecimal():
            return _Forked(int(said))
        self._give_up(said or "the process that had them loaded has ended")
        return None

    def close(self) -> None:
        """End it; the jobs live on."""
        self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _received(self) -> str:
        """Its next message; empty where it has ended."""
        try:
            return self._connection.recv(MOST_BYTES).decode()
        except ConnectionError:
            return ""

    def _give_up(self, why: str) -> None:
        self.close()
        log.warning("each job loads the libraries itself, which takes longer: %s", why)


class _Forked:
    """A process that a server forked, and that is a child of this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, -n where signal n ended it; None while it runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int, /) -> None:
        """Sends a signal, unless it has ended: its id may be another's by then."""
        if self.poll() is None:
            os.kill(self.pid, number)


class _Job:
    """A job that begins once its server has loaded; a signal before that ends it as it would end a process."""

    def __init__(self, command: Command, server: _Server) -> None:
        self._command = command
        self._server = server
        self._process: Process | None = None
        self._ended_by: int | None = None
        self.poll()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def returncode(self) -> int | None:
        if self._process is not None:
            return self._process.returncode
        return None if self._ended_by is None else -self._ended_by

    def poll(self) -> int | None:
        if self._process is not None:
            return self._process.poll()
        if self._ended_by is None and self._server.has_settled():
            forked = self._server.fork(self._command)
            self._process = forked or side_by_side.start_command(self._command)
        return self.returncode

    def send_signal(self, number: int, /) -> None:
        if self._process is not None:
            self._process.send_signal(number)
        else:
            self._ended_by = number


def _obstacle() -> str | None:
    """The reason why this process cannot have others forked for it; None where it can."""
    if sys.platform != "linux":
        return f"processes are not forked on {sys.platform}"
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        return "SIGCHLD is ignored, so the end of a process would not be seen"
    return None


def _is_readable(connection: socket.socket, seconds: float) -> bool:
    return bool(select.select([connection], [], [], seconds)[0])
