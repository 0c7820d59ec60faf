"""The doctor's checks pass on a sound engine, and each defect that they are for is found."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("deepspeed")


from hybrid_rl.config.model import LoraSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.models.policy import TrainedPolicy
from hybrid_rl.tools.doctor import checks
from hybrid_rl.training import demonstrations
from hybrid_rl.training.trainer import HybridTrainer
from tests.fakes import played

pytestmark = pytest.mark.slow
PRECISIONS = pytest.mark.parametrize("precision", ["float32", "bfloat16"])


def failed(settings: Settings) -> set[str]:
    return {check.name for check in checks.checks(settings) if not check.passed}


def of_one(directory: Path, **options: Any) -> Settings:
    """One process, on a CPU."""
    made = played.settings(directory, "grpo", "one")
    hardware = made.hardware.model_copy(update={"precision": options.pop("precision", None)})
    model = made.model.model_copy(update=options)
    return made.model_copy(update={"hardware": hardware, "model": model})


def test_bfloat16_passes(tmp_path: Path) -> None:
    """One process rounds by autocast."""
    assert failed(of_one(tmp_path, precision="bfloat16")) == set()


def test_updates_that_rounding_loses_are_not_blamed_on_the_engine(tmp_path: Path) -> None:
    found = list(checks.checks(of_one(tmp_path, dtype="bfloat16")))
    assert [check.name for check in found if not check.passed] == [checks.MASTERS]
    assert "no master weights" in checks.advice(found)


def test_adapters_pass(tmp_path: Path) -> None:
    """Only they are trained; their dropout is left out."""
    lora = LoraSettings(rank=4, alpha=8, dropout=0.5, target_modules="all-linear")
    assert failed(of_one(tmp_path, lora=lora)) == set()


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
        return loss * self.now.cost.trained_tokens / tokens / parts

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


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ([], "this engine can be trusted"),
        ([checks.MASTERS], "set model.dtype=float32, or hardware=zero1"),
        ([checks.MASTERS, "RL gradient, one batch"], "do not train with this engine here"),
    ],
)
def test_the_advice_follows_from_what_failed(failing: list[str], said: str) -> None:
    found = [checks.Check(name, False, "") for name in failing]
    assert checks.advice([checks.Check("sound", True, ""), *found]).endswith(said)
