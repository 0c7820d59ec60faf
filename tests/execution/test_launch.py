import fcntl
import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError, UsedDirectoryError, disk_full
from hybrid_rl.execution import launch
from hybrid_rl.recording import locks, quiet
from hybrid_rl.recording.run_directory import RunDir, RunState
from tests.conftest import Load

PYTHON = [sys.executable, "-c"]


def hardware(load: Load, *overrides: str) -> HardwareSettings:
    return load("method=grpo", "method.group_size=4", *overrides).hardware


def test_prepare_writes_what_a_worker_reads(load: Load, tmp_path: Path) -> None:
    settings = load("method=sft")
    run = launch.prepare(settings, ["hybrid-rl", "method=sft"], tmp_path)
    assert Settings.load_json(run.settings) == settings
    assert run.overrides.read_text() == "hybrid-rl method=sft\n"
    assert run.read_status()["state"] == "running"
    assert json.loads(run.environment.read_text())["launch_dir"] == str(tmp_path)


def test_prepare_refuses_the_directory_of_another_run(load: Load, tmp_path: Path) -> None:
    launch.prepare(load(), ["hybrid-rl"], tmp_path)
    with pytest.raises(UsedDirectoryError, match="resume="):
        launch.prepare(load(), ["hybrid-rl"], tmp_path)


def refused(settings: Settings, launch_dir: Path) -> RunDir:
    """The directory of a run that was refused while its data were read."""
    run = launch.prepare(settings, ["hybrid-rl"], launch_dir)
    for log in (run.log, run.rank_log(1)):
        log.parent.mkdir(exist_ok=True)
        log.touch()
    run.write_status("failed", error="data=mine: no such file", exit_code=2)
    return run


def test_the_directory_of_a_refused_run_is_used_again(load: Load, tmp_path: Path) -> None:
    refused(load(), tmp_path)
    run = launch.prepare(load("seed=5"), ["hybrid-rl", "seed=5"], tmp_path)
    assert [one["state"] for one in run.read_status()["history"]] == ["running"]
    assert run.overrides.read_text() == "hybrid-rl seed=5\n"
    assert not run.log.exists()
    assert not run.rank_log(1).parent.exists()


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "notes.txt", "eval/progress.jsonl", "checkpoints/a", "logs/mine.txt"]
)
def test_the_directory_of_a_refused_run_that_holds_more_is_left_as_it_is(
    name: str, load: Load, tmp_path: Path
) -> None:
    run = refused(load(), tmp_path)
    (run.path / name).parent.mkdir(exist_ok=True)
    (run.path / name).touch()
    before = sorted(run.path.rglob("*"))
    with pytest.raises(UsedDirectoryError, match="is not empty"):
        launch.prepare(load(), ["hybrid-rl"], tmp_path)
    assert sorted(run.path.rglob("*")) == before


@pytest.mark.parametrize("name", ["log.txt", "logs"])
def test_no_link_is_followed_out_of_the_directory_of_a_refused_run(
    name: str, load: Load, tmp_path: Path
) -> None:
    run = refused(load(), tmp_path)
    (run.path / name).rename(tmp_path / "elsewhere")
    (run.path / name).symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsedDirectoryError, match="is not empty"):
        launch.prepare(load(), ["hybrid-rl"], tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("state", "code"), [("failed", 1), ("failed", 137), ("running", None)])
def test_a_run_that_ended_otherwise_keeps_its_directory(
    state: RunState, code: int | None, load: Load, tmp_path: Path
) -> None:
    run = refused(load(), tmp_path)
    run.write_status(state, exit_code=code)
    with pytest.raises(UsedDirectoryError, match="is not empty"):
        launch.prepare(load(), ["hybrid-rl"], tmp_path)
    assert run.log.exists()


def test_another_node_joins_the_run_that_the_first_prepared_and_no_other(
    load: Load, tmp_path: Path
) -> None:
    shared = [
        "hardware=ddp", "hardware.device=cpu", "hardware.processes=2", "hardware.nodes=2",
        "hardware.rendezvous=first:29500", "hardware.collective_timeout_seconds=0.1",
    ]  # fmt: skip
    first = load(*shared, "hardware.node_rank=0")
    launch.prepare(first, ["hybrid-rl"], tmp_path)
    second = load(*shared, "hardware.node_rank=1")
    assert launch.prepare(second, ["hybrid-rl"], tmp_path).path == RunDir(Path(first.run_dir)).path
    other = load(*shared, "hardware.node_rank=1", "seed=5")
    with pytest.raises(
        SettingsError, match=r"hardware\.node_rank = 1: node 0 has not started this run"
    ):
        launch.prepare(other, ["hybrid-rl"], tmp_path)


def test_one_rank_is_a_worker_and_several_have_a_launcher(load: Load) -> None:
    worker = [sys.executable, "-m", "hybrid_rl.worker", "/run"]
    launcher = [sys.executable, "-m", "hybrid_rl.execution.launch", "/run"]
    assert launch.command(hardware(load), Path("/run")) == worker
    assert launch.command(hardware(load, "hardware.processes=2"), Path("/run")) == launcher
    sharded = "hardware.deepspeed={zero_optimization:{stage:2}}"
    assert launch.command(hardware(load, sharded), Path("/run")) == launcher


def test_ranks_are_numbered_over_all_nodes(load: Load) -> None:
    assert launch.rank_environment(hardware(load), 0) == {}
    nodes = ["hardware.processes=2", "hardware.nodes=2", "hardware.node_rank=1"]
    second = hardware(load, *nodes, "hardware.rendezvous=first:29500", "run_dir=/run")
    assert launch.rank_environment(second, 1) == {
        "RANK": "3",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "4",
        "LOCAL_WORLD_SIZE": "2",
    }
    with launch.meeting_point(second) as (place, descriptors):
        assert place == {"MASTER_ADDR": "first", "MASTER_PORT": "29500"}
        assert descriptors == []


def test_a_process_without_a_group_holds_no_port(load: Load) -> None:
    """vLLM within it would want to listen there."""
    with launch.meeting_point(hardware(load)) as (place, descriptors):
        assert place == {}
        assert descriptors == []
    with launch.meeting_point(hardware(load, "hardware.processes=2")) as (place, descriptors):
        assert place["HYBRID_RL_LISTENING"] == str(descriptors[0])


def test_nodes_of_slurm_meet_at_the_one_that_launched(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_NODEID", "1")
    monkeypatch.setenv("SLURM_LAUNCH_NODE_IPADDR", "10.0.0.7")
    place = "hardware.rendezvous=${oc.env:SLURM_LAUNCH_NODE_IPADDR}:29500"
    second = hardware(load, "hardware.nodes=2", place, "run_dir=/run")
    assert (second.node_rank, second.rendezvous) == (1, "10.0.0.7:29500")


def test_who_a_rank_is_comes_from_the_launcher_only(load: Load) -> None:
    around = {
        "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "HYBRID_RL_LISTENING": "3",
    }  # fmt: skip
    assert not launch.worker_environment(hardware(load), around).keys() & around.keys()


def test_the_workers_are_quiet_unless_the_user_wants_otherwise(load: Load) -> None:
    found = launch.worker_environment(
        hardware(load, "hardware.threads=3"), {"TOKENIZERS_PARALLELISM": "true", "HOME": "/h"}
    )
    assert found["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert found["TRL_EXPERIMENTAL_SILENCE"] == "1"
    assert quiet.ENVIRONMENT.keys() <= found.keys()
    assert found["TOKENIZERS_PARALLELISM"] == "true"
    assert found["DS_ACCELERATOR"] == "cpu"
    assert found["OMP_NUM_THREADS"] == "3"
    assert found["HOME"] == "/h"
    assert "HF_HUB_OFFLINE" not in found


def test_a_gpu_run_is_not_bent_to_the_cpu(load: Load) -> None:
    found = launch.worker_environment(hardware(load, "hardware=gpu"), {})
    assert "DS_ACCELERATOR" not in found
    assert found["CUDA_VISIBLE_DEVICES"] == "0"


@pytest.mark.parametrize(
    ("visible", "shown"), [("2,3", "2"), ("MIG-a,MIG-b", "MIG-a"), ("5", "5"), ("", "")]
)
def test_a_process_without_a_group_sees_the_first_gpu_only(
    load: Load, visible: str, shown: str
) -> None:
    found = launch.worker_environment(
        hardware(load, "hardware=gpu"), {"CUDA_VISIBLE_DEVICES": visible}
    )
    assert found["CUDA_VISIBLE_DEVICES"] == shown


@pytest.mark.parametrize(
    "override", ["hardware.processes=2", "hardware.deepspeed={zero_optimization:{stage:2}}"]
)
def test_the_ranks_of_a_group_see_all_gpus(load: Load, override: str) -> None:
    gpus = hardware(load, "hardware=gpu", override)
    shown = launch.worker_environment(gpus, {"CUDA_VISIBLE_DEVICES": "2,3"})
    assert shown["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert "CUDA_VISIBLE_DEVICES" not in launch.worker_environment(gpus, {})


def test_a_worker_that_dies_without_a_word_leaves_a_failed_status(
    started: tuple[Settings, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = started
    monkeypatch.setattr(launch, "worker_command", lambda *_: [*PYTHON, "import os; os.abort()"])
    assert launch.start_workers(settings, run) == 128 + signal.SIGABRT
    status = run.read_status()
    assert (status["state"], status["error"]) == ("failed", "ended by SIGABRT")


def test_a_worker_that_exits_0_without_a_word_has_failed(
    started: tuple[Settings, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = started
    monkeypatch.setattr(launch, "worker_command", lambda *_: [*PYTHON, "pass"])
    assert launch.start_workers(settings, run) == 1
    assert run.read_status()["state"] == "failed"


def test_another_node_that_ends_before_the_report_is_written_has_not_failed(
    started: tuple[Settings, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = started
    two = {"nodes": 2, "node_rank": 1, "rendezvous": "127.0.0.1:29500"}
    second = settings.model_copy(update={"hardware": settings.hardware.model_copy(update=two)})
    monkeypatch.setattr(launch, "worker_command", lambda *_: [*PYTHON, "pass"])
    assert launch.start_workers(second, run) == 0
    assert run.read_status()["state"] == "running"


def test_what_a_worker_said_stands_with_its_code(
    started: tuple[Settings, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = started
    run.write_status("failed", error="stopped by SIGTERM", exit_code=143)
    monkeypatch.setattr(launch, "worker_command", lambda *_: [*PYTHON, "raise SystemExit(1)"])
    assert launch.start_workers(settings, run) == 143
    assert run.read_status()["error"] == "stopped by SIGTERM"


def test_what_the_user_can_fix_is_raised_with_all_its_lines(
    started: tuple[Settings, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = started
    run.write_status("failed", error="a = 1: no; b\nc = 2: no; d", exit_code=2)
    monkeypatch.setattr(launch, "worker_command", lambda *_: [*PYTHON, "raise SystemExit(1)"])
    with pytest.raises(SettingsError) as error:
        launch.start_workers(settings, run)
    assert str(error.value) == "a = 1: no; b\nc = 2: no; d"


def test_a_worker_that_had_no_room_to_say_so_leaves_a_failed_status_and_no_half_checkpoint(
    started: tuple[Settings, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = started
    (run.checkpoints / "checkpoint-1").mkdir(parents=True)
    (run.checkpoints / "checkpoint-1" / "hybrid_state.json").touch()
    (run.checkpoints / "checkpoint-2").mkdir()
    monkeypatch.setattr(launch, "worker_command", lambda *_: [*PYTHON, "raise SystemExit(2)"])
    with pytest.raises(SettingsError) as error:
        launch.start_workers(settings, run)
    told = f"run_dir = {run.path}: no space is left on its disk; free some, and resume={run.path} goes on from"
    assert str(error.value) == disk_full(run.path) == f"{told} the last complete checkpoint"
    assert [path.name for path in run.checkpoints.iterdir()] == ["checkpoint-1"]
    status = run.read_status()
    assert (status["state"], status["error"], status["exit_code"]) == (
        "failed",
        str(error.value),
        2,
    )


def test_a_resume_waits_for_the_ranks_of_a_launcher_that_was_killed(
    started: tuple[Settings, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = started
    lock = run.lock(0).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)

    def old_rank_ends(seconds: float) -> None:
        run.write_status("failed", error="stopped by SIGTERM", exit_code=143)
        lock.close()

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=old_rank_ends)
    monkeypatch.setattr(locks, "time", clock)
    launch.prepare(settings.model_copy(update={"resume": str(run.path)}), ["hybrid-rl"], run.path)
    states = [record["state"] for record in run.read_status()["history"]]
    assert states == ["running", "failed", "running"]


def test_starts_at_the_same_moment_get_directories_of_their_own(load: Load, tmp_path: Path) -> None:
    settings = load().model_copy(update={"run_dir": str(tmp_path / "runs" / "20260101-000000")})
    with ThreadPoolExecutor(8) as pool:
        made = [one.run_dir for one in pool.map(launch.in_new_directory, [settings] * 8)]
    assert len(set(made)) == 8
    assert sorted(made)[:2] == [settings.run_dir, f"{settings.run_dir}-2"]


def test_of_two_starts_in_one_directory_one_is_refused_and_the_other_keeps_its_settings(
    load: Load, tmp_path: Path
) -> None:
    both = [load(f"seed={seed}") for seed in (1, 2)]

    def start(settings: Settings) -> int | str:
        try:
            with launch.prepared(settings, ["hybrid-rl"], tmp_path) as (run, _):
                time.sleep(0.3)
                return Settings.load_json(run.settings).seed
        except UsedDirectoryError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip((1, 2), pool.map(start, both), strict=True))
    [(seed, read)] = [(seed, one) for seed, one in found.items() if isinstance(one, int)]
    assert read == seed
    [refused] = [one for one in found.values() if isinstance(one, str)]
    assert "are still at work" in refused or "is not empty" in refused


def test_a_directory_that_cannot_be_made_is_the_users_to_fix(load: Load, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for run_dir, what in (
        (tmp_path / "file", "is a file; give the path of a directory"),
        (tmp_path / "file" / "x", "Not a directory; give a directory that can be made"),
        (tmp_path / ("x" * 300), "File name too long; give a directory that can be made"),
        (Path("/proc/x/y"), "No such file or directory (/proc/x); give a directory that can be"),
    ):
        settings = load().model_copy(update={"run_dir": str(run_dir)})
        with pytest.raises(UsedDirectoryError) as raised:
            launch.prepare(settings, ["hybrid-rl"], tmp_path)
        assert str(raised.value).startswith(f"run_dir = {run_dir}: {what}")


def test_the_only_rank_of_a_command_holds_the_locks_itself(
    started: tuple[Settings, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = started
    with (
        launch.held_by_worker(run, settings.hardware),
        pytest.raises(UsedDirectoryError, match="still at work"),
        locks.held(run.lock(0), "still at work"),
    ):
        pass
    monkeypatch.setenv(launch.HELD_LOCK, "5")  # a launcher holds them
    with launch.held_by_worker(run, settings.hardware), locks.held(run.lock(0), "busy"):
        pass
