"""Whole runs of the embedded model with vLLM's own engine.

Everything is as the command line does it, but that ranks are forked from this process, which has the libraries loaded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from hybrid_rl.config import loading, rules
from hybrid_rl.config.composing import config_dir, open_struct
from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import launch, resuming, supervise
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir

SMALL = (
    "experiment=smoke",
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
LORA = "model.lora={rank:4,alpha:8,dropout:0,target_modules:all-linear}"
RANKS = ("hardware.device=cpu", "hardware.processes=2", "hardware.micro_batch=4")
COLOCATED = ("rollout=vllm_colocate",)
"""The other choice is `serving.Served.chosen`."""
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
}
"""The variables of a rank, and of a server."""
KILLED_AT = "TEST_KILLED_AT"
"""The variable with the step at which the rank kills itself, before it draws."""
METHODS: dict[str, tuple[str, ...]] = {
    "bread": ("method=bread", "method.group_size=4"),
    "relift": ("method=relift", "method.group_size=4", "method.batch_size=2"),
    "sft": ("method=sft",),
    "luffy": ("method=luffy", "method.group_size=4"),
}


def settings(
    run_dir: Path, model: Path, method: str, *more: str, rollout: Sequence[str] = COLOCATED
) -> Settings:
    """Settings of three steps, with engines in the processes that train or with a server's `chosen`."""
    given = [*SMALL, *METHODS[method], f"model.path={model}", *rollout, *more]
    with initialize_config_dir(str(config_dir()), version_base="1.3"), _on_cpu():
        composed = compose("config", overrides=open_struct(given))
        return loading.load_settings(composed, run_dir.parent, run_dir)


def settings_of_interrupted(run_dir: Path) -> Settings:
    """The settings with which that run goes on."""
    with _on_cpu():
        return resuming.settings_of_interrupted(run_dir, ["resume"], {})


@contextmanager
def _on_cpu() -> Iterator[None]:
    """The rules refuse vLLM on a CPU, rightly so where nothing is patched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(rules._RULES, rules._rollout)
        yield


def start(wanted: Settings) -> RunDir:
    """Runs to the end and returns the directory. Raises SettingsError with what a rank says that the user can fix."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        from tests.endurance.interrupted import Forked
        from tests.vllm import cpu_build, on_cpu

        patch.setattr(supervise, "subprocess", SimpleNamespace(Popen=Forked))
        cpu_build.keep_weights(patch)
        on_cpu.compare(patch, Path(wanted.run_dir))
        on_cpu.start_at_once(patch)
        cpu_build.replace_nccl(patch)
        on_cpu.connect(patch)
        run = launch.prepare(wanted, ["hybrid-rl"], Path(wanted.run_dir).parent)
        code = launch.start_workers(wanted, run)
    assert code == 0, run.read_status()
    return run


def compared(run: RunDir, rank: int = 0) -> list[dict[str, Any]]:
    """What `tests.vllm.on_cpu.compare` has found."""
    return read_jsonl(run.path / f"compared_{rank}.jsonl")
