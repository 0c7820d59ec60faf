"""Every method on every engine with two processes, against one process; and the proof that the checks can fail."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("deepspeed")

from accelerate.state import AcceleratorState

from hybrid_rl.config.model import LoraSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import launch
from hybrid_rl.execution.supervise import supervise
from hybrid_rl.models import policy
from hybrid_rl.models.policy import TrainedPolicy
from hybrid_rl.tools.doctor import checks, trial
from hybrid_rl.training import demonstrations
from hybrid_rl.training.trainer import HybridTrainer
from tests.fakes import played
from tests.fakes.places import ROOT

pytestmark = pytest.mark.slow
CLOCKS = {"wall_seconds", "device_seconds"}


def two_ranks(directory: Path, engine: str, *methods: str) -> list[dict[str, Any]]:
    """What both ranks found; any of them failing, or hanging for two minutes, fails the test.

    `methods`: none for all; `bfloat16` for the checks alone, in bfloat16.
    """
    hardware = played.settings(directory, "grpo", engine).hardware
    shared = launch.worker_environment(hardware, os.environ) | {"OMP_NUM_THREADS": "1"}
    del shared["HYBRID_RL_LAUNCHER"]
    with launch.meeting_point(hardware) as (place, descriptors):
        ended = supervise(
            [sys.executable, "-m", "tests.fakes.played", str(directory), engine, *methods],
            [shared | place | launch.rank_environment(hardware, rank) for rank in (0, 1)],
            10.0,
            descriptors,
        )
    assert ended.code == 0
    return [json.loads((directory / f"{engine}-{rank}.json").read_text()) for rank in (0, 1)]


def close(ours: Any, theirs: Any) -> bool:
    """Equal, numbers within what another order of additions and Adam make of it."""
    if isinstance(theirs, float):
        return bool(ours == pytest.approx(theirs, rel=2e-3, abs=2e-5))
    return bool(ours == theirs)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("alone")
    found = {method: played.play(directory, method, "one") for method in played.METHODS}
    AcceleratorState._reset_state(reset_partial_state=True)
    return found


def test_the_scripted_runs_hold_what_is_to_be_compared(alone: dict[str, Any]) -> None:
    """Hybrids do both kinds of updates, searches find anchors, and RL has gradients."""
    for method in ("alternate", "sasr", "sft_then_grpo", "relift"):
        assert set(alone[method]["kinds"]) == {"sft", "rl"}, method
    assert alone["bread"]["state"]["anchors"]
    assert any(line["grad_norm"] > 0 for line in alone["grpo"]["metrics"])


@pytest.mark.parametrize("engine", ["ddp", "zero2", "zero3"])
def test_two_ranks_do_what_one_does(engine: str, alone: dict[str, Any], tmp_path: Path) -> None:
    first, second = two_ranks(tmp_path, engine)
    assert [check["name"] for check in first["checks"] if not check["passed"]] == []
    assert len(first["checks"]) == 12
    for method in played.METHODS:
        ours, theirs, single = first[method], second[method], alone[method]
        for known in ("kinds", "state", "weights"):
            assert ours[known] == theirs[known], f"{method}: ranks differ in {known}"
        assert ours["kinds"] == single["kinds"], method
        assert [line["groups"] for line in ours["decisions"]] == [
            line["groups"] for line in single["decisions"]
        ], method
        for line, expected in zip(ours["metrics"], single["metrics"], strict=True):
            for name in expected.keys() - CLOCKS:
                assert close(line[name], expected[name]), (method, name, line, expected)


@pytest.mark.parametrize("engine", ["zero1", "zero3_offload"])
def test_the_other_engines_pass_the_checks(engine: str, tmp_path: Path) -> None:
    first, _ = two_ranks(tmp_path, engine, "sft_then_grpo")
    assert [check["name"] for check in first["checks"] if not check["passed"]] == []
    assert first["sft_then_grpo"]["kinds"] == ["sft"] * 3 + ["rl"] * 3


def failed(settings: Settings) -> set[str]:
    return {check.name for check in checks.checks(settings) if not check.passed}


PRECISIONS = pytest.mark.parametrize("precision", ["float32", "bfloat16"])


def of_one(directory: Path, **options: Any) -> Settings:
    """One process, on a CPU."""
    made = played.settings(directory, "grpo", "one")
    hardware = made.hardware.model_copy(update={"precision": options.pop("precision", None)})
    model = made.model.model_copy(update=options)
    return made.model_copy(update={"hardware": hardware, "model": model})


def test_bfloat16_passes(tmp_path: Path) -> None:
    """One process rounds by autocast."""
    assert failed(of_one(tmp_path, precision="bfloat16")) == set()


def test_bfloat16_passes_on_two_ranks(tmp_path: Path) -> None:
    """DeepSpeed rounds the weights, others do not."""
    first, _ = two_ranks(tmp_path, "zero2", "bfloat16")
    assert [check for check in first["checks"] if not check["passed"]] == []


def test_updates_that_rounding_loses_are_not_blamed_on_the_engine(tmp_path: Path) -> None:
    found = list(checks.checks(of_one(tmp_path, dtype="bfloat16")))
    assert [check.name for check in found if not check.passed] == [checks.MASTERS]
    assert "no master weights" in checks.advice(found)


def test_adapters_pass(tmp_path: Path) -> None:
    """Only they are trained; their dropout is left out."""
    lora = LoraSettings(rank=4, alpha=8, dropout=0.5, target_modules="all-linear")
    assert failed(of_one(tmp_path, lora=lora)) == set()


def test_the_trial_starts_no_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = of_one(tmp_path)
    rollout = made.rollout.model_copy(update={"engine": "vllm_colocate"})
    made = made.model_copy(update={"rollout": rollout})
    asked: list[str] = []
    monkeypatch.setattr(policy, "start_vllm", lambda given, *_: asked.append(given.rollout.engine))
    trial.Trial(made, ["sft"], micro_batch=None)
    assert asked == ["transformers"]
    assert checks._facts(made)["generation"] == (
        "transformers; vllm_colocate is no part of these checks"
    )


@PRECISIONS
def test_a_mean_of_means_is_found(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each micro-batch's mean counts the same, however many tokens it has."""
    whole = HybridTrainer.compute_loss

    def of_means(self: Any, model: Any, inputs: Any, **options: Any) -> Any:
        loss = whole(self, model, inputs, **options)
        if "labels" not in inputs:
            return loss
        tokens = int((inputs["labels"] != demonstrations.IGNORED).sum())
        parts = self.args.gradient_accumulation_steps
        return loss * self._cost.trained_tokens / tokens / parts

    monkeypatch.setattr(HybridTrainer, "compute_loss", of_means)
    assert failed(of_one(tmp_path, precision=precision)) >= {
        "SFT gradient, 4 micro-batches",
        "consecutive windows, SFT after RL",
        "token mean over ranks and micro-batches",
    }


@PRECISIONS
def test_a_dropped_gradient_is_found(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of SFT, where RL came before."""
    whole = HybridTrainer.training_step

    def dropping(self: Any, model: Any, inputs: Any, *rest: Any) -> Any:
        kept = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        loss = whole(self, model, inputs, *rest)
        if "labels" in inputs and self.state.global_step:
            for weight, gradient in zip(model.parameters(), kept, strict=True):
                weight.grad = torch.zeros_like(weight) if gradient is None else gradient
        return loss

    monkeypatch.setattr(HybridTrainer, "training_step", dropping)
    assert failed(of_one(tmp_path, precision=precision)) == {"consecutive windows, SFT after RL"}


@PRECISIONS
def test_a_lost_micro_batch_is_found(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = demonstrations.micro_batches

    def without_the_first(*arguments: Any) -> Any:
        made = whole(*arguments)
        if len(made) > 1:
            made[0]["labels"][:] = demonstrations.IGNORED
        return made

    monkeypatch.setattr(demonstrations, "micro_batches", without_the_first)
    found = failed(of_one(tmp_path, precision=precision))
    # What is left happens to have nearly the norm of the whole, which bfloat16 cannot tell from it.
    assert found - {"norm before clipping, SFT"} == {
        "SFT gradient, 4 micro-batches",
        "consecutive windows, SFT after RL",
        "token mean over ranks and micro-batches",
    }


def test_a_rank_with_other_weights_is_found(tmp_path: Path) -> None:
    """ZeRO's copies of them, which the optimizer has, stay right."""
    first, second = two_ranks(tmp_path, "zero2", "astray")
    for found in (first, second):
        names = {check["name"] for check in found["checks"] if not check["passed"]}
        assert "the same weights on all ranks" in names


@PRECISIONS
def test_wrong_tokens_are_found(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the right number: of each completion the second token is its first."""
    whole = TrainedPolicy.sample

    def repeating(self: Any, request: Any, params: Any) -> Any:
        return [(*ids[:1], *ids[:1], *ids[2:]) for ids in whole(self, request, params)]

    monkeypatch.setattr(TrainedPolicy, "sample", repeating)
    assert failed(of_one(tmp_path, precision=precision)) == {"generation, other ranks idle"}


def test_a_norm_after_clipping_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Trainer

    monkeypatch.setattr(Trainer, "_get_grad_norm", lambda *_, **__: checks.CLIPPED)
    names = failed(played.settings(tmp_path, "grpo", "one"))
    assert names == {"norm before clipping, SFT", "norm before clipping, RL"}


def test_a_killed_run_ends_as_the_straight_one(tmp_path: Path) -> None:
    """Through launcher, signals and resume, on one process and on two that shard their weights."""
    command = [
        "tests.endurance.matrix",
        "--methods",
        "sasr",
        "--engines",
        "one",
        "zero3",
        "--kills",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--directory", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("pass") == 4
