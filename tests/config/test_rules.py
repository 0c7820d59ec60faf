"""Rules between settings of different groups: guards and engines of generation."""

from importlib import metadata

import pytest

from hybrid_rl.errors import SettingsError
from tests.conftest import Load

REFUSED = [
    (
        ["model.path=runs/no/such"],
        "model.path = runs/no/such: no such directory, nor a hub id (OWNER/NAME); correct it",
    ),
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


@pytest.mark.parametrize(
    ("version", "stage", "offload", "refused"),
    [
        ("0.15.1", 2, "cpu", False),
        ("0.15.2", 2, "cpu", True),
        ("0.18.9", 1, "cpu", True),
        ("0.18.9+abc123", 2, "cpu", True),
        ("0.18.9.post1", 2, "cpu", True),
        ("0.19.0", 2, "cpu", False),
        ("0.19.0+abc123", 2, "cpu", False),
        ("0.18.9", 3, "cpu", False),
        ("0.18.9", 2, "none", False),
    ],
)
def test_a_deepspeed_that_loses_gradients_is_refused(
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    stage: int,
    offload: str,
    refused: bool,
) -> None:
    installed = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: version if name == "deepspeed" else installed(name)
    )
    zero = f"{{stage: {stage}, offload_optimizer: {{device: {offload}}}}}"
    try:
        load("hardware=zero2", f"hardware.deepspeed={{zero_optimization: {zero}}}")
    except SettingsError as error:
        told = str(error)
    else:
        told = ""
    assert ("loses gradients under ZeRO-1/2 with CPU offload" in told) is refused
    assert (f"{version} is installed" in told) is refused


@pytest.mark.parametrize(
    ("method", "setting"),
    [("relift", "method.batch_size"), ("bread_relift", "method.relift.batch_size")],
)
def test_the_sft_batch_of_a_method_obeys_the_micro_batch(
    load: Load, method: str, setting: str
) -> None:
    """8 questions by 16 rollouts are 128 rows."""
    with pytest.raises(SettingsError) as raised:
        load(f"method={method}", f"{setting}=256", "hardware.micro_batch=4")
    assert str(raised.value) == (
        f"{setting} = 256: cut over the 32 micro-batches of an RL update it exceeds"
        " hardware.micro_batch = 4; at most 128 fit, or set hardware.micro_batch=null"
    )


def test_an_sft_batch_that_the_method_never_takes_is_not_refused(load: Load) -> None:
    settings = load("method=relift", "train.sft.batch_size=256", "hardware.micro_batch=4")
    assert settings.batch.sft_rows_per_device == 16
