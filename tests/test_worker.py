"""How a rank says that it ended; the run itself is a fake."""

import contextlib
import errno
import json
import logging
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hybrid_rl import worker
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import DataError, SettingsError, disk_full
from hybrid_rl.execution import launch, stopping
from hybrid_rl.recording.run_directory import RunDir
from tests.conftest import Load

Fake = Callable[[Callable[[Settings], None]], RunDir]


@pytest.fixture
def fake(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A prepared run directory whose run is the given function."""

    def build(run: Callable[[Settings], None]) -> RunDir:
        module = types.ModuleType("hybrid_rl.run")
        module.run = lambda settings: run(settings) or 0  # type: ignore[attr-defined] # a module takes any name
        monkeypatch.setitem(sys.modules, "hybrid_rl.run", module)
        return launch.prepare(load("method=sft"), ["hybrid-rl"], tmp_path)

    return build


def _raising(error: BaseException) -> Callable[[Settings], None]:
    def run(settings: Settings) -> None:
        raise error

    return run


def test_a_run_that_returns_is_done(fake: Fake) -> None:
    seen: list[Settings] = []
    run = fake(seen.append)
    assert worker.work(run, rank=0) == 0
    assert run.read_status()["state"] == "done"
    assert seen == [Settings.load_json(run.settings)]


MISTAKES = ["a = 1: no; b", "c = 2: no; d"]


@pytest.mark.parametrize("error", [SettingsError("\n".join(MISTAKES)), DataError(*MISTAKES)])
def test_what_the_user_can_fix_has_no_traceback(
    fake: Fake, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    run = fake(_raising(error))
    assert worker.work(run, rank=0) == 2
    assert caplog.text == ""
    status = run.read_status()
    assert (status["state"], status["exit_code"]) == ("failed", 2)
    assert status["error"].splitlines() == MISTAKES


@pytest.mark.parametrize(
    ("room", "code", "told"),
    [(False, 2, None), (True, 1, "RuntimeError: PytorchStreamWriter failed writing file")],
)
def test_a_failure_of_torch_to_write_is_a_full_disk_where_there_is_no_room(
    room: bool, code: int, told: str | None, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake(_raising(RuntimeError("PytorchStreamWriter failed writing file")))
    monkeypatch.setattr(worker, "takes_more", lambda directory: room or directory != run.path)
    assert worker.work(run, rank=0) == code
    assert run.read_status()["error"] == (told or disk_full(run.path))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2),
        (RuntimeError("Connection closed by peer [127.0.0.1]:36250"), 1),
    ],
)
def test_a_rank_that_has_no_room_to_say_why_it_failed_ends_without_a_traceback(
    error: Exception, code: int, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = fake(_raising(error))
    monkeypatch.setattr(RunDir, "write_status", full)
    assert worker.work(run, rank=1) == code


def test_what_led_to_an_error_that_the_user_can_fix_is_in_the_log_and_not_on_the_console(
    fake: Fake, root_logger: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(settings: Settings) -> None:
        try:
            raise OSError("the engine is on fire")
        except OSError as error:
            raise SettingsError("rollout.engine = x: failed; put it out") from error

    directory = fake(run)
    worker.set_up_logging(directory, rank=0)
    assert worker.work(directory, rank=0) == 2
    logged = directory.log.read_text()
    assert "Traceback" in logged
    assert "OSError: the engine is on fire" in logged
    assert "on fire" not in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(fake: Fake, caplog: pytest.LogCaptureFixture) -> None:
    run = fake(_raising(KeyError("x")))
    assert worker.work(run, rank=0) == 1
    assert run.read_status()["error"] == "KeyError: 'x'"
    assert "Traceback" in caplog.text


def test_a_rank_that_lost_another_shows_no_traceback(
    fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    run = fake(_raising(RuntimeError("[pair.cc] Connection closed by peer [127.0.0.1]")))
    assert worker.work(run, rank=0) == 1
    assert "Traceback" not in caplog.text


def test_the_first_rank_to_fail_says_why(fake: Fake) -> None:
    run = fake(_raising(RuntimeError("connection closed by peer")))
    run.write_status("failed", error="out of memory", exit_code=1)
    assert worker.work(run, rank=0) == 1
    assert run.read_status()["error"] == "out of memory"


def test_a_stop_is_one_though_c_code_made_it_another_error(
    fake: Fake, signals: None, caplog: pytest.LogCaptureFixture
) -> None:
    def run(settings: Settings) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException as error:
            raise ImportError("initialization failed") from error

    directory = fake(run)
    stopping.catch_signals()
    assert worker.work(directory, rank=0) == 128 + signal.SIGINT
    assert caplog.text == ""


@pytest.mark.parametrize(
    "error", [TypeError("no shape"), SettingsError("model.path = x: no model")]
)
def test_a_stop_is_one_though_c_code_lost_it(
    fake: Fake, signals: None, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def run(settings: Settings) -> None:
        with contextlib.suppress(stopping.StoppedError):
            os.kill(os.getpid(), signal.SIGINT)
        raise error

    directory = fake(run)
    stopping.catch_signals()
    assert worker.work(directory, rank=0) == 128 + signal.SIGINT
    assert directory.read_status()["error"] == "stopped by SIGINT"
    assert caplog.text == ""


def test_an_error_after_a_request_that_waited_is_told(fake: Fake, signals: None) -> None:
    def run(settings: Settings) -> None:
        with stopping.deferred():
            os.kill(os.getpid(), signal.SIGINT)
            raise KeyError("x")

    directory = fake(run)
    stopping.catch_signals()
    assert worker.work(directory, rank=0) == 1
    assert directory.read_status()["error"] == "KeyError: 'x'"


def test_in_training_a_signal_waits_for_the_end_of_the_block(fake: Fake, signals: None) -> None:
    passed = []

    def run(settings: Settings) -> None:
        with stopping.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # Slurm and the launcher may both send it
            passed.append(stopping.requested())
        passed.append(0)

    directory = fake(run)
    stopping.catch_signals()
    assert worker.work(directory, rank=0) == 128 + signal.SIGTERM
    assert passed == [signal.SIGTERM]


def test_the_end_of_a_run_is_for_rank_0_to_tell(fake: Fake) -> None:
    run = fake(lambda settings: None)
    assert worker.work(run, rank=1) == 0
    assert run.read_status()["state"] == "running"


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    signal.alarm(0)  # the time that a stop has
    stopping.catch_signals()  # forgets the request
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_unwinds_the_run(fake: Fake, signals: None) -> None:
    closed = []

    def run(settings: Settings) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            closed.append(True)

    directory = fake(run)
    stopping.catch_signals()
    assert worker.work(directory, rank=0) == 128 + signal.SIGTERM
    assert closed == [True]
    assert directory.read_status()["error"] == "stopped by SIGTERM"


@pytest.fixture
def root_logger() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("hybrid_rl")
    handlers, levels = root.handlers[:], (root.level, ours.level, worker.log.level)
    yield
    root.handlers[:] = handlers
    for logger, level in zip((root, ours, worker.log), levels, strict=True):
        logger.setLevel(level)
    logging.captureWarnings(False)


def test_rank_0_logs_to_the_run_directory_and_others_beside_it(
    tmp_path: Path, root_logger: None
) -> None:
    for rank in (0, 1):
        worker.set_up_logging(RunDir(tmp_path), rank)
        logging.getLogger("hybrid_rl.test").info("rank %d", rank)
        logging.getLogger("elsewhere").info("not ours")
    assert (tmp_path / "log.txt").read_text().endswith("INFO rank0 hybrid_rl.test: rank 0\n")
    assert (tmp_path / "logs" / "rank_1.txt").read_text().count("\n") == 1


def test_a_gpu_that_is_not_there_is_the_users_to_fix(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(device_count=lambda: 1, get_device_name=lambda i: "H")  # type: ignore[attr-defined] # fake
    torch.__version__ = "2"  # type: ignore[attr-defined] # fake
    monkeypatch.setitem(sys.modules, "torch", torch)
    run = launch.prepare(load("hardware=gpu"), ["hybrid-rl"], tmp_path)
    worker.check_devices(load("hardware=gpu").hardware, run, rank=0)
    assert json.loads(run.environment.read_text())["devices"] == ["H"]
    with pytest.raises(SettingsError) as error:
        worker.check_devices(load("hardware=gpu", "hardware.processes=4").hardware, run, rank=0)
    assert str(error.value) == (
        "hardware.processes = 4: this machine has 1 GPUs that torch 2 can use; choose fewer, or hardware=cpu"
    )
