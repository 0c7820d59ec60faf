"""What a run ran on: commit, versions, machine, data; the content of environment.json.

Knows no torch and asks no network; the GPUs and the data are added by the worker that has found them.
"""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from hybrid_rl.recording.files import write_json

_PACKAGES = (
    "hybrid-rl torch transformers trl accelerate datasets tokenizers safetensors numpy sympy"
    " hydra-core omegaconf pydantic peft deepspeed gguf wandb trackio tensorboard mlflow comet-ml aim swanlab"
)


def describe(directory: Path) -> dict[str, Any]:
    """The environment as JSON values; `directory` is that of launch, whose git commit is recorded if it has one."""
    return {
        "git": git_state(directory),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "host": platform.node(),
        "cpu_count": os.cpu_count(),
        "devices": [],
        "launch_dir": str(directory),
        "packages": {name: found for name in _PACKAGES.split() if (found := _version(name))},
    }


def add(path: Path, key: str, value: Any) -> None:
    """Add to environment.json what only a worker knows, such as its GPUs."""
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), key: value})


def git_state(directory: Path) -> dict[str, Any] | None:
    """The commit, and whether files differ from it; None outside of a repository with a commit, or without git."""
    if (commit := _git(directory, "rev-parse", "HEAD")) is None:
        return None
    return {"commit": commit, "dirty": bool(_git(directory, "status", "--porcelain"))}


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
