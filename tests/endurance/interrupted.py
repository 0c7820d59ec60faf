"""Whole runs that are killed and resumed, for `matrix` and `soak`.

Everything is as the command line does it: loading or resuming.load, launch.prepare, launch.start, signals, worker.main.
Only the start of a process differs: it is forked from this one, which has torch loaded, and not begun anew, so that a
start takes a second and hundreds of kills are cheap.
"""

import contextlib
import ctypes
import json
import os
import random
import runpy
import signal
import sys
import time
import traceback
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("DS_ACCELERATOR", "cpu")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import deepspeed  # noqa: F401 - loaded once, for all

import hybrid_rl.run  # noqa: F401 - the same
from hybrid_rl.config import loading
from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import launch, resuming, supervise
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from tests.fakes.composing import compose

_FILES = sorted(file.stem for file in (config_dir() / "method").glob("*.yaml"))
METHODS: dict[str, tuple[str, ...]] = {
    **{name: (f"method={name}", "method.group_size=4") for name in _FILES},
    "bread_relift": ("method=bread_relift", "method.group_size=4", "method.relift.batch_size=2"),
    # An odd number: one of two ranks has more of them.
    "chord": ("method=chord", "method.group_size=4", "method.demonstrations=3"),
    "dft": ("method=sft", "method.factor=p"),
    "relift": ("method=relift", "method.group_size=4", "method.batch_size=2"),
    "grpo_thrice": ("method=grpo", "method.group_size=4", "train.rl.updates_per_batch=3"),
    "sft": ("method=sft",),
}
"""Every file of conf/method, SFT whose loss is made of terms, and RL with several updates per batch."""
ENGINES: dict[str, tuple[str, ...]] = {
    "one": (),
    "ddp": ("hardware=ddp", "hardware.device=cpu", "hardware.processes=2"),
    "zero1": ("hardware=zero1", "hardware.device=cpu", "hardware.processes=2"),
    "zero2": ("hardware=zero2", "hardware.device=cpu", "hardware.processes=2"),
    "zero3": ("hardware=zero3", "hardware.device=cpu", "hardware.processes=2"),
    "zero3_offload": ("hardware=zero3_offload", "hardware.device=cpu", "hardware.processes=2"),
}
SMALL = (
    "experiment=smoke",
    "data.on_overlap=drop",
    # Questions that the model solves now and then, so that there is something to learn; 6 steps of 2 are 3 epochs.
    "data.train.size=4",
    "data.train.operations=[2,4]",
    "data.train.subtractions=null",
    "train.steps=6",
    "train.save_every=1",
    "train.eval_every=3",
    "hardware.micro_batch=4",
    "hardware.activation_checkpointing=false",
    "hardware.grace_seconds=60",
    "hardware.collective_timeout_seconds=60",
    "eval.sets=[hard]",
    "eval.limit=4",
    "eval.samples=1",
)
WAYS = ("launcher", "rank", "all", "SIGTERM", "SIGINT")
"""Who is killed: the launcher, one rank, or all at once; or the launcher gets a signal to pass on."""
_CLOCKS = {"wall_seconds", "device_seconds"}
_PR_SET_CHILD_SUBREAPER = 36
_ORPHAN_SECONDS = 90.0


class OrphanError(AssertionError):
    """A process outlived its run."""


def adopt_orphans() -> None:
    """Whatever outlives its parent becomes a child of this process, which can then tell that it is there."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def settings(directory: Path, method: str, engine: str, *more: str) -> Settings:
    overrides = [*SMALL, *ENGINES[engine], *METHODS[method], f"run_dir={directory}", *more]
    return loading.load_settings(compose(*overrides), directory.parent)


class Forked:
    """Stands in for subprocess.Popen within `execution.supervise`."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        start_new_session: bool,
        pass_fds: Sequence[int],
    ) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(command, env)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.01)
        return self.returncode or 0

    def send_signal(self, number: int) -> None:
        """Sends nothing to a process that has ended, as subprocess.Popen does."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _become(command: Sequence[str], env: Mapping[str, str]) -> None:
    """The life of a rank, from what a new interpreter would do up to its exit."""
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = list(command[2:])
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - the end of a process, which an interpreter ends with a traceback
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def begin(directory: Path, planned: Settings | None) -> int:
    """Start a run, or with None resume the one in `directory`; the id of the launcher process."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        output = os.open(
            directory.parent / f"{directory.name}.out", os.O_CREAT | os.O_APPEND | os.O_WRONLY
        )
        os.dup2(output, 1)
        os.dup2(output, 2)
        supervise.subprocess = types.SimpleNamespace(Popen=Forked)
        made = planned or resuming.settings_of_interrupted(directory, ["resume"], {})
        code = launch.start_workers(made, launch.prepare(made, ["hybrid-rl"], directory.parent))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT  # it came before there was a handler
    except BaseException as error:  # noqa: BLE001 - the end of a process: all that is left is to say so
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        code = 2
    finally:
        sys.stderr.flush()
        os._exit(code)


def children(pid: int) -> list[int]:
    """Processes that `pid` has started and that still run."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def end(pid: int, seconds: float | None, way: str) -> int | None:
    """Wait for the launcher, killing in that `way` after so many seconds; its exit code, None if it was killed.

    Raises OrphanError when a process of the run is still there after a while.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    code: int | None = None
    gone = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            if code is None or code == -signal.SIGKILL:
                return None
            return (
                code if code >= 0 else 128 - code
            )  # a signal before there was a handler, as a shell says it
        if ended == pid:
            code, gone = os.waitstatus_to_exitcode(status), time.monotonic()
        elif deadline is not None and time.monotonic() > deadline and gone is None:
            deadline = None
            _kill(pid, way)
        if gone is not None and time.monotonic() > gone + _ORPHAN_SECONDS:
            for one in children(os.getpid()):
                os.kill(one, signal.SIGKILL)
            raise OrphanError(
                f"a process outlived its launcher by {_ORPHAN_SECONDS:g} s, after: {way}"
            )
        if not ended:
            time.sleep(0.01)


def _kill(launcher: int, way: str) -> None:
    ranks = children(launcher)
    victims = {"launcher": [launcher], "rank": ranks[-1:], "all": [launcher, *ranks]}
    if way not in victims:
        os.kill(launcher, signal.Signals[way])
    for pid in victims.get(way, []):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


EXPECTED: dict[str, set[int | None]] = {
    "launcher": {None},
    "rank": {128 + signal.SIGKILL},
    "all": {None},
    "SIGTERM": {128 + signal.SIGTERM},
    "SIGINT": {128 + signal.SIGINT},
}
"""Exit codes of the launcher; 0 is right too, where the run was faster than the kill."""


@dataclass
class Interrupted:
    """What became of a run that was killed again and again."""

    ways: list[str]
    """In which it was killed."""
    lost: list[str]
    """Differences from the run that nobody killed, and exit codes that are not right; empty when all is well."""


def interrupt(
    directory: Path,
    planned: Settings,
    straight: RunDir,
    seconds: float,
    most: int,
    draw: random.Random,
    share: float = 1.0,
) -> Interrupted:
    """Kill the run up to `most` times, resuming it until it is done; then compare.

    `seconds`: what `straight` took; a kill comes within that `share` of it after a start.
    """
    ways, wrong = list[str](), list[str]()
    first: Settings | None = planned
    run = RunDir(directory)
    while run.read_status().get("state") != "done":
        way = draw.choice(WAYS)
        limit = draw.uniform(0, share * seconds) if len(ways) < most else None
        began = time.monotonic()
        code = end(begin(directory, first), limit, way)
        killed = limit is not None and time.monotonic() - began >= limit
        if killed:
            ways.append(way)
        if code not in (EXPECTED[way] | {0} if killed else {0}):
            wrong.append(f"exit code {code} after {way if killed else 'nothing'}")
            if not killed:
                return Interrupted(ways, wrong)
        if run.settings.exists():
            first = None
    return Interrupted(ways, [*wrong, *differences(run, straight)])


def differences(run: RunDir, straight: RunDir) -> Iterator[str]:
    """Where the two disagree: metrics, decisions, dev evaluations, solutions, weights. Bit for bit, clocks apart."""
    for ours, theirs in (
        (run.metrics, straight.metrics),
        (run.decisions, straight.decisions),
        (run.progress, straight.progress),
        (run.evaluation("after") / "hard.jsonl", straight.evaluation("after") / "hard.jsonl"),
        (run.evaluation("before") / "hard.jsonl", straight.evaluation("before") / "hard.jsonl"),
    ):
        if _without_clocks(ours) != _without_clocks(theirs):
            yield f"{ours.name} differs"
    weights = [one.model / "model.safetensors" for one in (run, straight)]
    if weights[0].read_bytes() != weights[1].read_bytes():
        yield "weights differ"


def _without_clocks(path: Path) -> list[str]:
    lines: list[dict[str, Any]] = read_jsonl(path)
    return [json.dumps({k: v for k, v in one.items() if k not in _CLOCKS}) for one in lines]
