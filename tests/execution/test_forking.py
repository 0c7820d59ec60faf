"""Processes that a server forks, beside commands: what a program sees of itself, how it ends, and what it computes."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import launch, side_by_side
from hybrid_rl.execution.forking import Forks
from hybrid_rl.execution.side_by_side import Command, Process
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from tests.conftest import Load

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
pytestmark = linux
Start = Callable[[Command], Process]
SEEN = """
import __main__, atexit, json, os, signal, sys
about = {
    "argv": sys.argv, "main": [__name__, __main__.__spec__.name], "path": sys.path,
    "parent": os.getppid(), "leads": os.getpid() == os.getsid(0) == os.getpgid(0), "cwd": os.getcwd(),
    "environment": dict(os.environ), "open": sorted(os.listdir("/proc/self/fd")),
    "input": os.readlink("/proc/self/fd/0"),
    "signals": {n.name: str(signal.getsignal(n)).split(" at ")[0] for n in signal.valid_signals() - {32, 33}
                if isinstance(n, signal.Signals)},
    "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "loaded": "wave" in sys.modules, "threads": len(os.listdir("/proc/self/task")),
}
atexit.register(print, "at exit")
print(json.dumps(about), flush=True)
print("to stderr", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Command]:
    """command(SOURCE, *arguments): a job that runs a module with this source."""
    monkeypatch.chdir(tmp_path)
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), root])}

    def build(source: str, *arguments: str, held: tuple[int, ...] = ()) -> Command:
        number = len(list(tmp_path.glob("program_*.py")))
        (tmp_path / f"program_{number}.py").write_text(source)
        words = [sys.executable, "-m", f"program_{number}", *arguments]
        return Command(words, environment, tmp_path / f"{number}.txt", held, may_fork=True)

    return build


def ended(process: Process) -> int:
    while (code := process.poll()) is None:
        time.sleep(0.01)
    return code


def test_a_forked_program_sees_what_a_started_one_sees(command: Callable[..., Command]) -> None:
    with open("lock", "w") as lock, Forks(["wave"]) as forks:
        seen: list[dict[str, Any]] = []
        for start in (side_by_side.start_command, forks.start, forks.start):
            job = command(SEEN, "3", held=(lock.fileno(),))
            assert ended(start(job)) == 3
            about, *rest = job.output.read_text().splitlines()
            assert sorted(rest) == ["at exit", "to stderr"]
            seen.append(json.loads(about.replace(job.arguments[2], "program")))
    assert [about.pop("loaded") for about in seen] == [False, True, True]
    assert seen[0]["parent"] == os.getpid()
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]


def test_the_end_of_a_forked_program_is_seen_however_it_ends(
    command: Callable[..., Command],
) -> None:
    with Forks(["wave"]) as forks:
        killed = forks.start(command("import os; os.kill(os.getpid(), 9)"))
        raised = forks.start(command("raise ValueError"))
        waiting = forks.start(command("import time; time.sleep(600)"))
        assert [ended(killed), ended(raised)] == [-signal.SIGKILL, 1]
        assert waiting.poll() is None
        waiting.send_signal(signal.SIGTERM)
        assert ended(waiting) == -signal.SIGTERM


def test_environments_are_kept_apart(command: Callable[..., Command]) -> None:
    """A variable that is read while the libraries are loaded has the value of the job."""
    Path("library.py").write_text("import os; FOUND = os.environ['WHICH']")
    with Forks(["library"]) as forks:
        for which in ("one", "two", "one"):
            job = command("import library; print(library.FOUND)")
            own = {**job.environment, "WHICH": which}
            job = Command(job.arguments, own, job.output, may_fork=True)
            assert ended(forks.start(job)) == 0
            assert job.output.read_text() == f"{which}\n"


def test_a_killed_server_takes_no_job_with_it_and_later_ones_are_commands(
    command: Callable[..., Command], caplog: pytest.LogCaptureFixture
) -> None:
    with Forks(["wave"]) as forks:
        first = forks.start(command("import time; time.sleep(1); raise SystemExit(5)"))
        while first.pid is None:
            first.poll()
        [server] = forks._servers.values()
        assert server._process is not None
        server._process.kill()
        server._process.wait()
        assert ended(forks.start(command("raise SystemExit(4)"))) == 4
        assert ended(first) == 5
    assert "the process that had them loaded has ended" in caplog.text


@pytest.mark.parametrize(
    ("library", "said"),
    [
        ("raise ImportError('broken')", "the process that loads them ended"),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=[9], daemon=True).start()",
            "a library has started threads (Thread-1 (sleep))",
        ),
    ],
)
def test_where_nothing_can_be_forked_jobs_are_commands_and_the_log_says_why(
    library: str, said: str, command: Callable[..., Command], caplog: pytest.LogCaptureFixture
) -> None:
    Path("library.py").write_text(library)
    with Forks(["library"]) as forks:
        assert ended(forks.start(command("raise SystemExit(4)"))) == 4
        assert ended(forks.start(command("raise SystemExit(6)"))) == 6
    [line] = [record.message for record in caplog.records]
    assert line.startswith(f"each job loads the libraries itself, which takes longer: {said}")


def test_a_signal_while_libraries_are_loaded_ends_a_job_that_has_not_begun(
    command: Callable[..., Command],
) -> None:
    Path("library.py").write_text("import time; time.sleep(600)")
    with Forks(["library"]) as forks:
        job = forks.start(command("raise SystemExit(4)"))
        assert job.pid is None
        job.send_signal(signal.SIGTERM)
        assert ended(job) == -signal.SIGTERM


def test_who_asked_is_killed_and_the_server_ends(
    command: Callable[..., Command], tmp_path: Path
) -> None:
    asks = """if True:
        import os, sys, time
        from pathlib import Path
        from hybrid_rl.execution.forking import Forks
        from hybrid_rl.execution.side_by_side import Command
        words = [sys.executable, "-m", "wave"]
        forks = Forks(["wave"])
        job = forks.start(Command(words, os.environ, Path("inner.txt"), may_fork=True))
        while job.poll() is None:
            time.sleep(0.01)
        [server] = forks._servers.values()
        print(server._process.pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    job = command(asks)
    assert ended(side_by_side.start_command(job)) == -signal.SIGKILL
    server = Path("/proc", job.output.read_text().strip(), "cmdline")
    deadline = time.monotonic() + 30
    while server.exists() and b"fork_server" in server.read_bytes():
        assert time.monotonic() < deadline, "the server lives on"


def test_a_worker_is_forked_where_it_is_one_rank_without_a_gpu(load: Load) -> None:
    hardware = load("method=grpo").hardware
    assert launch.may_fork(hardware)
    for change in ({"device": "cuda"}, {"processes": 2}, {"deepspeed": {}}):
        assert not launch.may_fork(hardware.model_copy(update=change))


@pytest.mark.slow
def test_a_forked_worker_computes_bit_for_bit_what_a_started_one_does(
    load: Load, tmp_path: Path
) -> None:
    few = ("experiment=smoke", "method=relift", "train.steps=3", "eval.limit=2")
    few += (
        "reward.terms={mark: {weight: 0.5, pattern: '#'}}",
    )  # patterns are matched in processes
    runs: list[RunDir] = []

    def settings(name: str, *overrides: str) -> Settings:
        return load(*few, *overrides, f"run_dir={tmp_path / name}")

    def run(start: Start, made: Settings) -> RunDir:
        directory = launch.prepare(made, ["hybrid-rl"], tmp_path)
        environment = side_by_side.environment(made.hardware, 0, 1, os.environ, cores=1)
        words = launch.command(made.hardware, directory.path)
        console = directory.path / "console.txt"
        job = Command(words, environment, console, may_fork=launch.may_fork(made.hardware))
        assert ended(start(job)) == 0, console.read_text()
        return directory

    with Forks() as forks:
        run(forks.start, settings("other", "seed=7"))  # it leaves nothing behind for the next
        runs.append(run(forks.start, settings("forked")))
    runs.append(run(side_by_side.start_command, settings("started")))
    lines = [
        [
            {k: v for k, v in line.items() if not k.endswith("_seconds")}
            for line in read_jsonl(run.metrics)
        ]
        for run in runs
    ]
    assert lines[0] == lines[1]
    weights = [(run.model / "model.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]
