"""What the KL of the RL loss is to: the model at the end of a warm-up, where the method has one."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Load

torch = pytest.importorskip("torch")

from hybrid_rl.errors import SettingsError
from tests.training.test_trainer import build

WARM = {"train__rl__beta": 0.1, "train__sft__learning_rate": 1e-2, "train__rl__learning_rate": 1e-2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("sft_then_grpo", {"sft_fraction": 0.5}),
        ("alternate", {"warmup_steps": 2, "every": 4}),
        ("sasr", {"warmup_steps": 2, "control": "fixed", "fixed_probability": 0.0}),
    ],
)
def test_the_kl_is_zero_in_the_first_rl_update_after_a_warmup(
    tmp_path: Path, method: str, options: dict[str, Any]
) -> None:
    chosen = {f"method__{name}": value for name, value in options.items()}
    trainer, recorder = build(tmp_path, method, **WARM, **chosen)
    trainer.train()
    assert recorder.column("kind") == ["sft", "sft", "rl", "rl"]
    first, second = (line["kl"] for line in recorder.metrics[2:])
    assert first == pytest.approx(0, abs=1e-6)
    assert second > 1e-3


LORA = "model.lora={rank:4,alpha:8,dropout:0.0,target_modules:all-linear}"


def test_a_kl_to_the_end_of_the_warmup_is_refused_with_adapters(load: Load) -> None:
    with pytest.raises(SettingsError) as raised:
        load("method=sasr", "train.rl.beta=0.1", LORA)
    assert str(raised.value) == (
        "train.rl.beta = 0.1: sasr takes the KL to the model as it is after the warm-up, and with model.lora only that"
        " as loaded is kept; set train.rl.beta=0, or model.lora=null"
    )


@pytest.mark.parametrize("method", ["grpo", "alternate"])
def test_a_kl_to_the_model_as_loaded_is_not_refused_with_adapters(load: Load, method: str) -> None:
    load(f"method={method}", "train.rl.beta=0.1", LORA)
