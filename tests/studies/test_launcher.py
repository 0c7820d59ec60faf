"""Hydra's launchers: which one is chosen, and what a job of a study is handed over as."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from hybrid_rl.studies import launcher


def job(config: DictConfig) -> float | None:
    raise AssertionError("the launcher runs it, not this test")


def chosen(monkeypatch: pytest.MonkeyPatch, target: str) -> list[Any]:
    """Let `target` be the launcher that was typed; returns what a launcher is handed."""
    handed: list[Any] = []
    config = OmegaConf.create({"hydra": {"launcher": {"_target_": target}, "sweep": {"dir": "?"}}})

    def instantiate(context: Any, task: Any, given: Any) -> Any:
        def launch(typed: Sequence[Sequence[str]], initial_job_idx: int) -> None:
            handed.extend([task, given.hydra.sweep.dir, typed, initial_job_idx])

        return SimpleNamespace(launch=launch)

    fake = SimpleNamespace(get=lambda: config.hydra, instance=lambda: SimpleNamespace(cfg=config))
    plugins = SimpleNamespace(instance=lambda: SimpleNamespace(instantiate_launcher=instantiate))
    loader = SimpleNamespace(instance=lambda: SimpleNamespace(config_loader=lambda: None))
    monkeypatch.setattr(launcher, "HydraConfig", fake)
    monkeypatch.setattr(launcher, "Plugins", plugins)
    monkeypatch.setattr(launcher, "GlobalHydra", loader)
    return handed


def test_without_a_launcher_the_study_runs_its_jobs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen(monkeypatch, "hydra._internal.core_plugins.basic_launcher.BasicLauncher")
    assert launcher.chosen_launcher(tmp_path, job) is None


def test_a_launcher_is_handed_each_job_as_a_multirun_in_its_own_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = chosen(monkeypatch, "hydra_plugins.hydra_joblib_launcher.JoblibLauncher")
    launch = launcher.chosen_launcher(tmp_path, job)
    assert launch is not None
    launch([(("method=grpo", "train.steps=3"), tmp_path / "rl" / "seed_0")])
    overrides = [
        "method=grpo", "++train.steps=3", "hydra.sweep.subdir=rl/seed_0", "hydra.mode=MULTIRUN",
    ]  # fmt: skip
    assert handed == [job, str(tmp_path), [overrides], 0]
