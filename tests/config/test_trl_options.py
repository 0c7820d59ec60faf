"""What may stand under `trl.`: each allowed field is TRL's own, reaches it, and does what it says; no other passes."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.config.trl_options import ALLOWED, OWNERS, TrlOptions, problem
from tests.conftest import Compose

VALUES: dict[str, Any] = {
    "adam_epsilon": 1e-3,
    "ddp_bucket_cap_mb": 10,
    "disable_dropout": True,
    "ds3_gather_for_generation": False,
    "full_determinism": True,
    "mask_truncated_completions": True,
    "pad_to_multiple_of": 8,
    "top_entropy_quantile": 0.5,
    "torch_empty_cache_steps": 2,
    "use_bias_correction_kl": False,
}
"""A value other than the default for every allowed field."""
LOSSES: dict[str, dict[str, Any]] = {
    "adam_epsilon": {},
    "mask_truncated_completions": {"train__rl__loss": "dapo"},
    "top_entropy_quantile": {},
    "use_bias_correction_kl": {"train__rl__beta": 20.0},
}
"""The fields that change the weights that come out, with the settings under which they do."""


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_an_allowed_field_takes_another_value_than_its_default(name: str) -> None:
    assert TrlOptions.model_fields[name].default != VALUES[name]
    assert problem(name, VALUES[name]) is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_generations", 4, "decided by method.group_size; set that instead"),
        (
            "use_vllm",
            True,
            "decided by rollout.engine; set rollout=vllm_colocate or rollout=vllm_server instead",
        ),
        ("load_best_model_at_end", True, "decided by eval.best; set eval.best=true instead"),
        (
            "push_to_hub",
            True,
            "no setting does that; hybrid-rl-push RUN_DIR OWNER/NAME uploads the model, once the run is done",
        ),
        ("top_entropy_quantile", 2, "must be at most 1; e.g. trl.top_entropy_quantile=1"),
        (
            "mask_truncated_completion",
            True,
            "only fields of trl.GRPOConfig that are tested here are passed on;"
            " did you mean trl.mask_truncated_completions?",
        ),
        (
            "max_step",
            3,
            "only fields of trl.GRPOConfig that are tested here are passed on;"
            " trl.max_steps is decided by train.steps; set that instead",
        ),
        (
            "accelerator_config",
            2,
            "only fields of trl.GRPOConfig that are tested here are passed on;"
            f" leave it out, or choose from {', '.join(sorted(VALUES))}",
        ),
    ],
)
def test_any_other_field_or_value_is_refused_with_a_way_out(
    name: str, value: object, message: str
) -> None:
    shown = "true" if value is True else value
    assert problem(name, value) == f"trl.{name} = {shown}: {message}"


def test_every_owner_is_a_setting(composed: Compose) -> None:
    config = composed("method=grpo")
    for owner in set(OWNERS.values()):
        node = config
        for part in owner.split("."):
            assert part in node, owner
            node = node[part]


@pytest.mark.slow
def test_the_names_and_defaults_are_those_of_the_installed_trl() -> None:
    trl = pytest.importorskip("trl")
    known = {field.name: field.default for field in fields(trl.GRPOConfig)}
    assert OWNERS.keys() <= known.keys()
    defaults = {name: field.default for name, field in TrlOptions.model_fields.items()}
    assert defaults == {name: known[name] for name in ALLOWED}


@pytest.mark.slow
def test_every_allowed_field_is_passed_on(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from hybrid_rl.training import arguments
    from tests.fakes import tiny

    given = {f"trl__{name}": value for name, value in VALUES.items()}
    settings = tiny.settings(tmp_path, **given)
    built = arguments.build(settings)
    assert {name: getattr(built, name) for name in VALUES} == VALUES


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_field_of_the_loss_or_the_optimizer_changes_what_is_learned(
    tmp_path: Path, name: str
) -> None:
    torch = pytest.importorskip("torch")
    from tests.training.lean.test_trainer import train, weights

    without, _, _ = train(tmp_path / "without", **LOSSES[name])
    given = {f"trl__{name}": VALUES[name]}
    changed, _, _ = train(tmp_path / "changed", **LOSSES[name], **given)
    assert not torch.allclose(weights(without), weights(changed), atol=1e-6)


@pytest.mark.slow
def test_savings_change_nothing_where_rows_are_padded_to_a_multiple(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from tests.training.lean.test_trainer import OFF, train, weights

    padded = {"trl__pad_to_multiple_of": 8, "hardware__micro_batch": 4}
    plain, _, wide = train(tmp_path / "plain", **padded, **OFF)
    lean, _, _ = train(tmp_path / "lean", **padded, **dict.fromkeys(OFF, True))
    assert {width % 8 for _, width in wide} == {0}
    assert torch.allclose(weights(plain), weights(lean), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("given", "left"), [({}, 0.5), ({"trl__disable_dropout": True}, 0.0)])
def test_dropout_can_be_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, bool], left: float
) -> None:
    torch = pytest.importorskip("torch")
    from tests.fakes import tiny
    from tests.training.test_trainer import build

    model = tiny.model()
    model.dropout = torch.nn.Dropout(0.5)
    monkeypatch.setattr(tiny, "model", lambda: model)
    trainer, _ = build(tmp_path, **given)
    assert trainer.model.dropout.p == left
