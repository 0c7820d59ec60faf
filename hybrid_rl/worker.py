"""The entry point of one rank, `python -m hybrid_rl.worker RUN_DIR`: runs settings.json and says how that ended."""

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import (
    USER_ERROR,
    SettingsError,
    UserError,
    disk_full,
    is_disk_full,
    is_failed_write,
)
from hybrid_rl.execution import imports, launch, process_tree, stopping
from hybrid_rl.recording import console, environment, progress
from hybrid_rl.recording.ending import ending
from hybrid_rl.recording.files import read_jsonl, takes_more
from hybrid_rl.recording.run_directory import RunDir

log = logging.getLogger("hybrid_rl.worker")  # __name__ is "__main__" here

# Words of gloo and NCCL about a rank that is gone; its own error is the one to show.
_LOST_PEER = ("Connection closed by peer", "Connection reset by peer", "remote process exited")


def main() -> None:
    """Run this rank and end the process with its exit code."""
    console.as_a_view()
    run = RunDir(Path(sys.argv[1]))
    rank = int(os.environ.get("RANK", "0"))
    stopping.catch_signals()
    _die_with_parent()
    set_up_logging(run, rank)
    sys.exit(work(run, rank))


def set_up_logging(run: RunDir, rank: int) -> None:
    """Let rank 0 speak on the console and in log.txt, others in logs/rank_<n>.txt and on the console only to warn."""
    file = run.log if rank == 0 else run.rank_log(rank)
    file.parent.mkdir(parents=True, exist_ok=True)
    shown = logging.StreamHandler()
    shown.setLevel(logging.INFO if rank == 0 else logging.WARNING)
    logging.raiseExceptions = (
        False  # a full disk is told once, and not with each line that the log lost
    )
    logging.basicConfig(
        format=f"%(asctime)s %(levelname)s rank{rank} %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        level=logging.WARNING,
        handlers=[shown, logging.FileHandler(file, encoding="utf-8")],
        force=True,
    )
    logging.getLogger("hybrid_rl").setLevel(logging.INFO)
    log.setLevel(logging.DEBUG)  # for the file alone
    logging.captureWarnings(True)


def work(run: RunDir, rank: int) -> int:
    """Run the settings of the run directory; returns the exit code, and writes the state into status.json."""
    try:
        settings = Settings.load_json(run.settings)
        # A job of a study starts from a process that has them loaded.
        loads = progress.phase("start-up, libraries") if "torch" not in sys.modules else None
        with loads or contextlib.nullcontext(), imports.without_collection():
            from hybrid_rl.run import run as run_all  # noqa: PLC0415 - heavy: torch, after the signals are handled

        stopping.limit(settings.hardware.grace_seconds)
        check_devices(settings.hardware, run, rank)
        with launch.held_by_worker(run, settings.hardware):
            code = run_all(settings)
    except BaseException as error:  # whatever it is, status.json must say that the run failed
        stop = stopping.cause_of(error)
        if stop is not None:
            return _failed(run, str(stop), stop.exit_code)
        if isinstance(error, UserError):  # the launcher prints it, once for all ranks
            if error.__cause__ is not None:
                log.debug("the error, and what led to it", exc_info=error)
            return _failed(run, str(error), USER_ERROR)
        if is_disk_full(error) or (is_failed_write(error) and not takes_more(run.path)):
            return _failed(run, disk_full(run.path), USER_ERROR)
        if any(words in str(error) for words in _LOST_PEER):
            log.error(
                "rank %d lost another rank, whose own log has the reason unless it was killed", rank
            )
            return _failed(run, "a rank ended and gave no reason", 1)
        log.exception("rank %d failed", rank)
        return _failed(run, f"{type(error).__name__}: {error}".rstrip().splitlines()[-1], 1)
    if code:
        return _failed(run, "a check failed", code)
    if rank == 0:
        lines = read_jsonl(run.metrics)
        ended_by = (
            ending(settings.model_dump(), lines[-1], read_jsonl(run.progress)) if lines else None
        )
        run.write_status("done", ended_by=ended_by and ended_by.told)
    return 0


def _failed(run: RunDir, error: str, code: int) -> int:
    """Write the failure into status.json, unless another rank failed first and said why; returns `code`.

    Where the disk has no room for that, which may be why this or another rank failed, the launcher says so.
    """
    if run.read_status().get("state") != "failed":
        try:
            run.write_status("failed", error=error, exit_code=code)
        except OSError as failure:
            if not is_disk_full(failure):
                raise
    return code


def check_devices(hardware: HardwareSettings, run: RunDir, rank: int) -> None:
    """Write the GPUs into environment.json; raises SettingsError where there are too few."""
    if hardware.device == "cpu":
        return
    import torch  # noqa: PLC0415 - heavy, and loaded by now

    found = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if len(found) < hardware.processes:
        raise SettingsError(
            f"hardware.processes = {hardware.processes}: this machine has {len(found)} GPUs that torch"
            f" {torch.__version__} can use; choose fewer, or hardware=cpu"
        )
    if rank == 0:
        environment.add(run.environment, "devices", found)


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the launcher is killed, so that no rank is left running. Linux only."""
    if sys.platform == "linux":
        process_tree.die_with_parent(signal.SIGTERM)
        if os.environ.get("HYBRID_RL_LAUNCHER", str(os.getppid())) != str(os.getppid()):
            sys.exit(128 + signal.SIGTERM)  # it was killed before this process could ask


if __name__ == "__main__":
    main()
