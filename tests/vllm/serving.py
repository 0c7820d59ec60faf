"""vLLM's own HTTP server, started with the command that the message of a run without one has."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.fakes.places import ROOT
from tests.vllm import runs

_START_SECONDS = 900.0


class Answer(NamedTuple):
    """What the server has added to a prompt without temperature."""

    prompt: list[int]
    ids: list[int]
    log_probs: list[float]


class Served:
    """A server that is running."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._url = f"http://127.0.0.1:{port}"

    @property
    def chosen(self) -> tuple[str, ...]:
        """The settings with which a run asks this server. Each run meets it at a port that none has met it at."""
        return (
            "rollout=vllm_server",
            f"rollout.port={self.port}",
            f"rollout.group_port={free_port()}",
        )

    def complete(self, prompts: Sequence[list[int]], tokens: int) -> list[Answer]:
        """What it answers now, asked by HTTP alone."""
        asked = {
            "model": self._say("/v1/models")["data"][0]["id"],
            "prompt": prompts,
            "max_tokens": tokens,
            "temperature": 0,
            "logprobs": 0,
            "ignore_eos": True,
            "return_token_ids": True,
        }
        choices = self._say("/v1/completions", asked)["choices"]
        return [
            Answer(prompt, choice["token_ids"], choice["logprobs"]["token_logprobs"])
            for prompt, choice in zip(prompts, choices, strict=True)
        ]

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/health", timeout=5):
                return True
        except OSError:
            return False

    def _say(self, path: str, asked: dict[str, Any] | None = None) -> Any:
        body = None if asked is None else json.dumps(asked).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def served(message: str, directory: Path) -> Iterator[Served]:
    """A server on this machine, started with the command in `message`; its log is in `directory`.

    What is added to the command is for the test: it starts at once, without compiling, and listens here only.
    """
    told = re.search(r"start it with (VLLM_SERVER_DEV_MODE=1 vllm serve .* --port (\d+))", message)
    assert told is not None, message
    command, server = told[1], Served(int(told[2]))
    from tests.vllm import cpu_build

    cpu_build.write_plugin(directory / "plugin")
    paths = {
        "PYTHONPATH": f"{directory / 'plugin'}{os.pathsep}{ROOT}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    log = directory / "server.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec env {command} --host 127.0.0.1 --enforce-eager"],
            env=os.environ | runs.ENVIRONMENT | paths,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not server.is_up():
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(1)
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
