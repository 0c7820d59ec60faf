"""Runs whose solutions vLLM's own HTTP server generates, as far as a CPU goes: all but NCCL between two GPUs."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid_rl.errors import SettingsError
from tests.fakes.places import ROOT
from tests.vllm import runs
from tests.vllm.checks import require_alike, require_moved

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The settings of a server that is on its way up; a run waits for it. Its log is printed where a test fails."""
    directory = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (directory / "log.txt").open("w+")
    own = {
        runs.WEIGHTS: str(directory / "weights.safetensors"),
        "VLLM_SERVER_DEV_MODE": "1",
        "VLLM_WORKER_MULTIPROC_METHOD": "fork",
        "PYTHONPATH": str(ROOT),
    }
    # As EngineError says, and what a CPU wants.
    arguments = [
        "serve", str(model), "--dtype", "float32", "--max-model-len", "128", "--port", str(port),
        "--weight-transfer-config", '{"backend": "nccl"}',
        "--enforce-eager", "--max-num-batched-tokens", "8192",
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(runs.WEIGHTS, own[runs.WEIGHTS])
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.vllm.serve_on_cpu", *arguments],
            env=os.environ | runs.ENVIRONMENT | own,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield ["rollout=vllm_server", f"rollout.port={port}"]
        finally:
            process.terminate()
            process.wait(timeout=60)
            log.seek(0)
            print(log.read())  # noqa: T201 - pytest shows it where a test fails


def test_bread_trains_with_a_server_that_gets_new_weights(
    server: list[str], model: Path, tmp_path: Path
) -> None:
    run = runs.start(runs.settings(tmp_path / "bread", model, "bread", *server))
    require_alike(run)
    require_moved(run, model)


def test_a_server_that_was_started_otherwise_is_refused_in_a_line(
    server: list[str], model: Path, tmp_path: Path
) -> None:
    given = [*server, "rollout.dtype=bfloat16"]
    with pytest.raises(SettingsError) as failed:
        runs.start(runs.settings(tmp_path / "run", model, "bread", *given))
    assert str(failed.value).endswith(
        " computes in float32 and not in bfloat16; start it with --dtype bfloat16, or set rollout.dtype=float32"
    )
