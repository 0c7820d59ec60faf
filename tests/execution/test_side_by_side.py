"""Jobs side by side: real processes, and files instead of clocks."""

import os
import signal
import sys
from pathlib import Path

from hybrid_rl.execution import side_by_side
from hybrid_rl.execution.side_by_side import Command
from tests.conftest import Load

PYTHON = [sys.executable, "-c"]


def test_all_jobs_run_and_each_says_how_it_ended(tmp_path: Path) -> None:
    codes: dict[int, int] = {}
    slots: list[int] = []

    def begin(job: int, slot: int) -> Command:
        slots.append(slot)
        what = (
            "raise SystemExit(3)" if job == 1 else "import os; os.kill(os.getpid(), 9)" * (job == 2)
        )
        return Command([*PYTHON, f"print({job}); {what}"], os.environ, tmp_path / f"{job}.txt")

    stopped = side_by_side.run_jobs(
        4, 1, begin, lambda job, code, seconds: codes.update({job: code})
    )
    assert stopped is None
    assert codes == {0: 0, 1: 3, 2: 137, 3: 0}
    assert slots == [0, 0, 0, 0]
    assert (tmp_path / "3.txt").read_text() == "3\n"


def test_no_more_jobs_at_a_time_than_slots(tmp_path: Path) -> None:
    running: set[int] = set()
    most = []

    def begin(job: int, slot: int) -> Command:
        running.add(job)
        most.append(len(running))
        return Command([*PYTHON, ""], os.environ, tmp_path / "out.txt")

    looks: list[int] = []
    side_by_side.run_jobs(
        5,
        2,
        begin,
        lambda job, code, seconds: running.discard(job),
        meanwhile=lambda: looks.append(len(running)),
    )
    assert max(most) == 2
    assert len(looks) >= 3  # of two at a time
    assert min(looks) > 0


def test_a_signal_ends_the_running_jobs_and_starts_no_others(tmp_path: Path) -> None:
    """The first job sends it to this process, as a Ctrl-C would, and then waits for ever."""
    codes: dict[int, int] = {}
    wait = f"import os, signal, time; os.kill({os.getpid()}, signal.SIGINT); time.sleep(600)"

    def begin(job: int, slot: int) -> Command:
        return Command([*PYTHON, wait], os.environ, tmp_path / "out.txt")

    before = signal.getsignal(signal.SIGINT)
    stopped = side_by_side.run_jobs(
        3, 1, begin, lambda job, code, seconds: codes.update({job: code})
    )
    assert stopped == signal.SIGINT
    assert codes == {0: 128 + signal.SIGTERM}
    assert signal.getsignal(signal.SIGINT) is before


def test_a_job_that_is_not_ready_lets_later_ones_go_first(tmp_path: Path) -> None:
    begun: list[int] = []
    over: set[int] = set()

    def begin(job: int, slot: int) -> Command | None:
        begun.append(job)
        if job == 1:  # it is left out, and so over at once
            over.add(job)
            return None
        return Command([*PYTHON, ""], os.environ, tmp_path / "out.txt")

    needed = {0: 2, 2: 1}
    stopped = side_by_side.run_jobs(
        4,
        2,
        begin,
        lambda job, code, seconds: over.add(job),
        ready=lambda job: needed.get(job) in (None, *over),
    )
    assert stopped is None
    assert begun == [1, 2, 3, 0]
    assert over == {0, 1, 2, 3}


def test_jobs_side_by_side_share_the_cores_and_not_the_gpus(load: Load) -> None:
    cpu = load("method=grpo").hardware
    assert "OMP_NUM_THREADS" not in side_by_side.environment(cpu, 0, 1, {}, cores=8)
    assert side_by_side.environment(cpu, 1, 2, {}, cores=8)["OMP_NUM_THREADS"] == "4"
    gpus = load("method=grpo", "hardware=gpu", "hardware.processes=2").hardware
    assert "CUDA_VISIBLE_DEVICES" not in side_by_side.environment(gpus, 0, 1, {}, cores=8)
    assert side_by_side.environment(gpus, 1, 2, {}, 8)["CUDA_VISIBLE_DEVICES"] == "2,3"
    some = {"CUDA_VISIBLE_DEVICES": "4,5,6,7"}
    assert side_by_side.environment(gpus, 1, 2, some, 8)["CUDA_VISIBLE_DEVICES"] == "6,7"


def test_a_signal_to_a_job_is_not_for_its_children(tmp_path: Path) -> None:
    """The child ends with 0 when the job lets it, and with 7 when a signal comes first."""
    child = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print(flush=True); input()"
    job = f"""if True:
        import os, signal, subprocess, sys
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child = subprocess.Popen([sys.executable, "-c", {child!r}], **pipes)
        child.stdout.readline()
        def stop(number, frame):
            child.communicate(b"go\\n")
            sys.exit(child.returncode)
        signal.signal(signal.SIGTERM, stop)
        os.kill({os.getpid()}, signal.SIGTERM)
        while True:
            signal.pause()
    """
    codes: dict[int, int] = {}

    def begin(number: int, slot: int) -> Command:
        return Command([*PYTHON, job], os.environ, tmp_path / "out.txt")

    side_by_side.run_jobs(1, 1, begin, lambda job, code, seconds: codes.update({job: code}))
    assert codes == {0: 0}
