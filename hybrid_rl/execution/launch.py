"""The launcher: prepares a run, starts a worker process for each rank, and hands their exit code up.

Hydra runs in the parent only; a worker reads settings.json. `supervise` stands by the workers. Knows no torch. It is
neither torchrun nor `accelerate launch`, which it replaces in 150 lines: those kill ranks 30 seconds after a signal,
whatever they are saving, end with exit code 1 whatever a rank has said, and load torch once more only to start others.
"""

import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import USER_ERROR, SettingsError, UsedDirectoryError, UserError, disk_full
from hybrid_rl.execution import resume_point
from hybrid_rl.execution.supervise import PEER_SECONDS, supervise
from hybrid_rl.recording import checkpoints, console, environment, quiet
from hybrid_rl.recording.files import write_json, write_text
from hybrid_rl.recording.locks import held, owned
from hybrid_rl.recording.run_directory import RunDir

log = logging.getLogger(__name__)

# Variables that say who a rank is, and where ranks meet. Inherited ones speak of another group: that of a job around
# this one.
_TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
_PLACE = ("MASTER_ADDR", "MASTER_PORT", "HYBRID_RL_LISTENING")  # the last name is also in ranks.py
HELD_LOCK = "HYBRID_RL_LOCK"
"""The variable that tells a rank that its launcher holds the lock of the run, and on which descriptor."""


def in_new_directory(settings: Settings) -> Settings:
    """The settings with a directory of their own, made here: the dated one, numbered where other starts took it."""
    wanted = Path(settings.run_dir)
    for name in [wanted.name, *(f"{wanted.name}-{number}" for number in range(2, 1000))]:
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            wanted.with_name(name).mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise _unusable(wanted, error) from error
        return settings.model_copy(update={"run_dir": str(wanted.with_name(name))})
    raise SettingsError(f"run_dir = {wanted}: is there a thousand times; give another name")


def prepare(settings: Settings, command_line: Sequence[str], launch_dir: Path) -> RunDir:
    """Make the run directory, or reopen the one to resume, for a command that is started later."""
    with prepared(settings, command_line, launch_dir) as (run, _):
        return run


@contextmanager
def prepared(
    settings: Settings, command_line: Sequence[str], launch_dir: Path
) -> Iterator[tuple[RunDir, int]]:
    """Make the run directory, or reopen the one to resume, and write what the workers read into it.

    Yields it with its lock: in the block no other start can come between the two. Raises UserError, also for a
    directory that cannot be made or written to.
    """
    run = RunDir(Path(settings.run_dir))
    if settings.hardware.node_rank > 0:
        _await_first_node(run, settings)
    with ExitStack() as stack:
        try:
            if settings.resume is None and settings.hardware.node_rank == 0:
                run.create()
            # Ranks of a resumed run whose launcher was killed would write their end over this start.
            lock = stack.enter_context(_held(run, settings.hardware, settings.resume is not None))
            if settings.hardware.node_rank == 0:
                _write(run, settings, command_line, launch_dir)
        except OSError as error:
            raise _unusable(run.path, error) from error
        yield run, lock


def _write(run: RunDir, settings: Settings, command_line: Sequence[str], launch_dir: Path) -> None:
    if settings.resume is None:
        if settings.hardware.nodes == 1:  # another node may have read the old settings already
            run.clear_leftovers()
        run.refuse_used()
    else:
        resume_point.settle(run, settings)
    write_text(run.settings, settings.model_dump_json(indent=2) + "\n")
    write_json(run.environment, environment.describe(launch_dir))
    run.add_overrides(command_line)
    run.write_status("running", resumed=settings.resume is not None)


def _unusable(path: Path, error: OSError) -> Exception:
    """The error as the user is told it: a full disk has words of its own elsewhere."""
    if error.errno == errno.ENOSPC:
        return error
    where = "" if error.filename in (None, str(path)) else f" ({error.filename})"
    return UsedDirectoryError(
        f"run_dir = {path}: {error.strerror}{where}; give a directory that can be made and written to"
    )


def start_workers(settings: Settings, run: RunDir, lock: int | None = None) -> int:
    """Run the workers to their end and return their exit code, 130 after Ctrl-C; status.json says how they ended.

    `lock`: that of `prepared`; None: it is not held yet. Raises SettingsError with what the user can fix: once, however
    many workers found it.
    """
    hardware = settings.hardware
    with (
        _held(run, hardware, True) if lock is None else nullcontext(lock) as mine,
        meeting_point(hardware) as (place, descriptors),
    ):
        shared = worker_environment(hardware, os.environ) | {HELD_LOCK: str(mine)}
        ended = supervise(
            worker_command(run.path),
            [shared | place | rank_environment(hardware, i) for i in range(hardware.processes)],
            hardware.grace_seconds,
            [*descriptors, mine],
        )
    if ended.code == 0 and hardware.node_rank > 0:
        return 0  # node 0 says that the run is done, once its report is written
    return settle(run, ended.code, ended.killed_rank if hardware.world_size > 1 else None)


@contextmanager
def _held(run: RunDir, hardware: HardwareSettings, waits: bool) -> Iterator[int]:
    """This node's locks of the run: this process is its launcher, and yields what its ranks inherit.

    `waits`: whether ranks of an earlier start have the time to save and to end.
    """
    busy = f"run_dir = {run.path}: processes of an earlier start are still at work; end them first"
    with (
        held(
            run.lock(hardware.node_rank), busy, (hardware.grace_seconds + PEER_SECONDS) * waits
        ) as lock,
        owned(run.launcher_lock(hardware.node_rank), busy),
    ):
        yield lock


@contextmanager
def held_by_worker(run: RunDir, hardware: HardwareSettings) -> Iterator[None]:
    """Hold the locks of a run in its only rank, where it was started as a command and there is no launcher."""
    if HELD_LOCK in os.environ:
        yield
        return
    with _held(run, hardware, False):
        yield


def _await_first_node(run: RunDir, settings: Settings) -> None:
    """Return once node 0 has prepared this very run; raises SettingsError when it does not."""
    ours = settings.hardware.model_copy(update={"node_rank": 0})
    expected = settings.model_copy(update={"hardware": ours}).model_dump_json(indent=2) + "\n"
    deadline = time.monotonic() + settings.hardware.collective_timeout_seconds
    while time.monotonic() < deadline:
        if run.settings.is_file() and run.settings.read_text(encoding="utf-8") == expected:
            return
        time.sleep(0.5)
    raise SettingsError(
        f"hardware.node_rank = {settings.hardware.node_rank}: node 0 has not started this run in {run.path};"
        " give all nodes the same command, and a run_dir that all of them see"
    )


def settle(run: RunDir, code: int, killed_rank: int | None = None) -> int:
    """The exit code of a run whose workers ended with `code`; see `start_workers`."""
    status = run.read_status()
    if status.get("state") == "running" and code == 0:
        code = 1  # a worker that ends well says so; a silent exit 0 is not an end
    if status.get("state") == "running" and code == USER_ERROR:
        # A worker has not the room to say so. Half a checkpoint takes it, and is of no use.
        with suppress(OSError):
            checkpoints.drop_incomplete(run.checkpoints)
            run.write_status("failed", error=disk_full(run.path), exit_code=USER_ERROR)
        raise SettingsError(disk_full(run.path))
    if status.get("state") == "running" or killed_rank is not None:
        # The others may have said that they lost a rank; what became of that one, they cannot know.
        error = _cause(code, killed_rank)
        run.write_status("failed", error=error, exit_code=code)
        log.error("%s", error)
        return code
    if status.get("exit_code") == USER_ERROR:
        raise SettingsError(status["error"])
    return int(status.get("exit_code", code)) if code else 0


def command(hardware: HardwareSettings, run_dir: Path) -> list[str]:
    """The command that is a whole prepared run: its only rank, or what starts all ranks."""
    if needs_group(hardware):
        return [sys.executable, "-m", "hybrid_rl.execution.launch", str(run_dir)]
    return worker_command(run_dir)


def may_fork(hardware: HardwareSettings) -> bool:
    """Whether `command` may start from a process that has its libraries loaded: where it is one rank without a GPU.

    A GPU's driver does not survive a fork; ranks that meet are started by a process of their own.
    """
    return hardware.device == "cpu" and not needs_group(hardware)


def worker_command(run_dir: Path) -> list[str]:
    """The command of every rank."""
    return [sys.executable, "-m", "hybrid_rl.worker", str(run_dir)]


def needs_group(hardware: HardwareSettings) -> bool:
    """Whether ranks have to meet; DeepSpeed wants that of a single one too."""
    return hardware.world_size > 1 or hardware.deepspeed is not None


def rank_environment(hardware: HardwareSettings, local_rank: int) -> dict[str, str]:
    """The variables of torchrun that say who a rank is; empty for a process that needs no group."""
    if not needs_group(hardware):
        return {}
    rank = hardware.node_rank * hardware.processes + local_rank
    values = (rank, local_rank, hardware.world_size, hardware.processes)
    return {name: str(value) for name, value in zip(_TORCHRUN, values, strict=True)}


@contextmanager
def meeting_point(hardware: HardwareSettings) -> Iterator[tuple[dict[str, str], list[int]]]:
    """The place where the ranks meet, in torch's variables, and the descriptors that they inherit for it.

    On one machine the port is chosen here and kept open until rank 0 listens on it, so that no other process takes it.
    A process that needs no group gets no place: vLLM within it would listen on a port that this process holds.
    """
    if not needs_group(hardware):
        yield {}, []
        return
    if hardware.rendezvous is not None:
        host, _, port = hardware.rendezvous.rpartition(":")
        yield {"MASTER_ADDR": host, "MASTER_PORT": port}, []
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        place = (host, str(port), str(server.fileno()))
        yield dict(zip(_PLACE, place, strict=True)), [server.fileno()]


def worker_environment(hardware: HardwareSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of workers: quiet libraries, where the user has not said otherwise, and the right device."""
    found = {**quiet.ENVIRONMENT, **inherited, "HYBRID_RL_LAUNCHER": str(os.getpid())}
    for name in (*_TORCHRUN, *_PLACE, HELD_LOCK):
        found.pop(name, None)
    # The package may be run from a checkout, without being installed.
    root = str(Path(__file__).parents[2])
    if "site-packages" not in root:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, [root, inherited.get("PYTHONPATH")]))
    if hardware.device == "cpu":
        found |= {"DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    elif not needs_group(hardware):
        # transformers would spread one process over all GPUs that it sees, in nn.DataParallel; TRL refuses that.
        found["CUDA_VISIBLE_DEVICES"] = inherited.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if hardware.threads is not None:
        found["OMP_NUM_THREADS"] = str(hardware.threads)
    elif hardware.processes > 1:
        share = max(1, (os.cpu_count() or 1) // hardware.processes)
        found.setdefault("OMP_NUM_THREADS", str(share))
    return found


def _cause(code: int, rank: int | None) -> str:
    """The cause of an exit code in words, for a worker that could not say it itself."""
    who = "" if rank is None else f"rank {rank}: "
    if code == 128 + signal.SIGKILL:
        return (
            f"{who}killed (SIGKILL); often the system is out of memory: lower hardware.micro_batch"
        )
    if code > 128:
        return f"{who}ended by {signal.Signals(code - 128).name}"
    return f"a worker ended with exit code {code} and gave no reason"


def main() -> None:
    """Run a prepared run, as `python -m hybrid_rl.execution.launch RUN_DIR`; see `command`."""
    console.as_a_view()
    run = RunDir(Path(sys.argv[1]))
    try:
        code = start_workers(Settings.load_json(run.settings), run)
    except UserError:
        code = USER_ERROR  # status.json says why
    sys.exit(code)


if __name__ == "__main__":
    main()
