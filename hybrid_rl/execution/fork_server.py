"""A process that has the libraries of a program loaded and forks for each start of it.

`python -m hybrid_rl.execution.fork_server SOCKET MODULE...` loads the modules; `forking` asks it for processes. Each is
as a fresh one with the same environment, directory and open files: a session of its own, signals as they are in a new
process, what it prints in its own file, and `python -m PROGRAM` in all that Python can see. Its parent is whoever
asked, not this process: see `_fork`. So this process may be killed at any time, and waits for none of them.

It is not multiprocessing's forkserver, whose processes run a function and not a program, keep its parent, session and
output, and get their arguments by pickle. Knows no program in particular.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybrid_rl.execution import imports, process_tree

READY = "ready"
"""The first message, where processes can be forked; any other says why not."""
MOST_BYTES = 2**16
"""The size of the longest request."""
_STOPS = (signal.SIGINT, signal.SIGTERM)
# pyarrow's jemalloc has a thread, which a fork may interrupt: jemalloc holds its locks meanwhile.
_SAFE_THREADS = frozenset({"jemalloc_bg_thd"})


def main() -> None:
    """Load, then fork at every request, until whoever asks is gone; a forked process runs its program and exits."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    process_tree.die_with_parent(signal.SIGKILL)
    # They concern the processes and who asked for them. A scheduler sends them to this one, too. The processes treat
    # them as this one would have: a shell lets its background jobs ignore SIGINT.
    inherited: dict[int, Any] = {number: signal.getsignal(number) for number in _STOPS}
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    with imports.without_collection():
        for module in sys.argv[2:]:
            importlib.import_module(module)
    sys.stdout.flush()
    sys.stderr.flush()
    connection.send((_obstacle() or READY).encode())
    while True:
        request, descriptors, _, _ = socket.recv_fds(connection, MOST_BYTES, 1)
        if not request:
            return
        [output] = descriptors
        if _fork(connection, inherited):
            break
        os.close(output)
    connection.close()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    importlib.invalidate_caches()  # files may have come since
    program, *arguments = json.loads(request)
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


def _obstacle() -> str | None:
    """The reason why this process must not fork: a thread, which the other one lacks while its locks stay held."""
    python = [thread.name for thread in threading.enumerate()[1:]]
    if (started := _divide()) == 0:
        os._exit(0)
    os.waitpid(started, 0)
    # OpenBLAS ends its threads before a fork, and starts others when it needs them.
    tasks = [Path("/proc/self/task", task, "comm") for task in os.listdir("/proc/self/task")]
    names = [task.read_text(encoding="utf-8").strip() for task in tasks]
    native = [name for name in names if name not in _SAFE_THREADS]
    if python or len(native) > 1:
        return f"a library has started threads ({', '.join(python or native[1:])})"
    return None


def _fork(connection: socket.socket, handlers: Mapping[int, Any]) -> bool:
    """Fork; True in the new process, which tells its id to who asked for it.

    The new process is the child of a child that ends at once; so the nearest ancestor that adopts becomes its parent,
    which is who asked. It tells its id itself, and once that has happened: from then on it needs this process no more,
    which may be killed at any time. `handlers`: of its signals.
    """
    if (between := _divide()) == 0:
        between = os.getpid()
        try:
            if _divide() != 0:
                os._exit(0)
        except OSError:
            os._exit(1)
        while os.getppid() == between:
            time.sleep(0.001)
        os.setsid()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        try:
            connection.send(str(os.getpid()).encode())
        except OSError:
            os._exit(1)  # nobody would know of this process
        return True
    _, status = os.waitpid(between, 0)
    if status != 0:
        connection.send(b"it could not fork")
    return False


def _divide() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of any thread; `_obstacle` looks at each.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


if __name__ == "__main__":
    main()
