"""The doctor's trial under guards that speak: the checks go on, and find what is broken."""

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.models import policy
from hybrid_rl.tools.doctor import checks, trial
from hybrid_rl.training.trainer import HybridTrainer
from tests.fakes import tiny
from tests.tools.doctor.test_checks import of_one

pytestmark = pytest.mark.slow


def test_neither_an_alarm_nor_the_limits_of_the_run_end_the_trial(tmp_path: Path) -> None:
    settings = tiny.settings(
        tmp_path, guards__entropy__below=100, guards__entropy__steps=1, train__epochs=0.1,
        budget__generated_tokens=1,
    )  # fmt: skip
    assert [check.name for check in checks.checks(settings) if not check.passed] == []


def test_an_engine_whose_loss_is_not_finite_fails_its_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = HybridTrainer.compute_loss
    monkeypatch.setattr(
        HybridTrainer, "compute_loss", lambda *args, **kwargs: whole(*args, **kwargs) * math.nan
    )
    settings: Any = tiny.settings(tmp_path, guards__non_finite="skip")
    failed = [check.name for check in checks.checks(settings) if not check.passed]
    assert any(name.startswith("SFT") for name in failed)
    assert any(name.startswith("RL") for name in failed)


def test_the_trial_starts_no_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = of_one(tmp_path)
    rollout = made.rollout.model_copy(update={"engine": "vllm_colocate"})
    made = made.model_copy(update={"rollout": rollout})
    started: list[str] = []
    monkeypatch.setattr(
        policy, "VllmEngine", lambda given, *_: started.append(given.rollout.engine)
    )
    trial.Trial(made, ["sft"], micro_batch=None)
    assert started == []
    assert checks._facts(made)["generation"] == (
        "transformers; vllm_colocate is no part of these checks"
    )
