"""Whole runs of the embedded model with vLLM's own engine, started as the command line starts them."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from hybrid_rl.config import loading, rules
from hybrid_rl.config.composing import config_dir, open_struct
from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import launch
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir

SMALL = (
    "experiment=smoke",
    "rollout=vllm_colocate",
    "data.on_overlap=drop",
    "data.train.size=4",
    "data.train.operations=[5,8]",
    "data.train.subtractions=null",
    "train.steps=3",
    "train.save_every=1",
    "train.eval_every=null",
    "eval.sets=[hard]",
    "eval.limit=2",
    "eval.samples=0",
    "hardware.activation_checkpointing=false",
)
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
}
"""The variables that the rank is started with."""
KILLED_AT = "TEST_KILLED_AT"
"""The variable with the step at which the rank kills itself, before it draws."""
WEIGHTS = "TEST_WEIGHTS"
"""The variable with the file in which a server on this machine gets its weights, for NCCL is between GPUs."""
METHODS: dict[str, tuple[str, ...]] = {
    "bread": ("method=bread", "method.group_size=4"),
    "relift": ("method=relift", "method.group_size=4", "method.batch_size=2"),
    "sft": ("method=sft",),
}


def settings(run_dir: Path, model: Path, method: str, *more: str) -> Settings:
    """Settings of three steps with a colocated engine, which the rules allow on GPUs alone."""
    given = [*SMALL, *METHODS[method], f"model.path={model}", *more]
    with (
        initialize_config_dir(str(config_dir()), version_base="1.3"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.delitem(rules._RULES, rules._rollout)
        composed = compose("config", overrides=open_struct(given))
        return loading.load_settings(composed, run_dir.parent, run_dir)


def start(wanted: Settings) -> RunDir:
    """Runs to the end and returns the directory. Raises SettingsError with what a rank says that the user can fix."""
    with pytest.MonkeyPatch.context() as patch:
        command = [sys.executable, "-m", "tests.vllm.on_cpu", wanted.run_dir]
        patch.setattr(launch, "worker_command", lambda run_dir: command)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        run = launch.prepare(wanted, ["hybrid-rl"], Path(wanted.run_dir).parent)
        code = launch.start_workers(wanted, run)
    assert code == 0, run.read_status()
    return run


def compared(run: RunDir, rank: int = 0) -> list[dict[str, Any]]:
    """What `tests.vllm.on_cpu.compare` has found."""
    return read_jsonl(run.path / f"compared_{rank}.jsonl")
