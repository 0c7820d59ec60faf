"""Rules between settings of different groups: guards and engines of generation."""

import pytest
from conftest import Load

from hybrid_rl.settings import SettingsError

REFUSED = [
    (
        ["rollout=vllm_server"],
        "rollout.engine = vllm_server: vLLM takes its weights between GPUs; set hardware=gpu, or rollout=transformers",
    ),
    (
        ["rollout=vllm_server"],
        "rollout.engine = vllm_server: needs the package vllm; pip install 'hybrid-rl[vllm]', or choose"
        " rollout=transformers",
    ),
    (
        ["rollout=vllm_colocate", "hardware=gpu", "task=evaluate"],
        "rollout.engine = vllm_colocate: task=evaluate generates with transformers; set rollout=transformers",
    ),
    (
        ["rollout=vllm_colocate", "hardware=gpu", "model.gguf_file=some.gguf"],
        "rollout.engine = vllm_colocate: cannot start from model.gguf_file = some.gguf; convert it to a model"
        " directory, or set rollout=transformers",
    ),
    (
        ["hardware.deepspeed={zero_optimization:{stage:2}}", "guards.non_finite=skip"],
        "guards.non_finite = skip: DeepSpeed updates the weights within its backward pass, too early to leave an update"
        " out; set guards.non_finite=stop, or hardware.deepspeed=null",
    ),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_settings_that_do_not_fit_together_are_refused(
    load: Load, overrides: list[str], message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(*overrides)
    assert message in str(refused.value).splitlines()
