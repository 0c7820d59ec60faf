"""Losses of terms: those that TRL's loss is too, and that no way of cutting the rows changes them."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tests.fakes.composed import AsTerms, OfEveryKind, Plain, trained
from tests.training.test_trainer import weights

pytestmark = pytest.mark.slow
CLOCKS = {"wall_seconds", "device_seconds"}


def compared(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Every number of every line to 1e-5 relative; a loss of 0 is one but for rounding."""
    for line, expected in zip(ours, theirs, strict=True):
        told = {key: value for key, value in expected.items() if key not in CLOCKS | {"kind"}}
        found = {key: line.get(key) for key in told}
        assert found == pytest.approx(told, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    "options",
    [
        {"train__rl__loss": "grpo", "train__rl__scale_rewards": "group"},
        {"train__rl__loss": "dapo", "train__rl__beta": 0.05, "train__rl__scale_rewards": "none"},
        {
            "train__rl__loss": "dr_grpo", "train__rl__scale_rewards": "batch",
            "train__rl__entropy_bonus": 0.02, "train__rl__temperature": 0.7,
        },
    ],
)  # fmt: skip
def test_the_default_terms_are_the_losses_of_grpo_and_sft(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """Computed the other way: by TRL, and by the mean over demonstration tokens."""
    plain, plain_record = trained(tmp_path / "plain", Plain, **options)
    ours, record = trained(tmp_path / "terms", AsTerms, **options)
    assert record.column("kind") == ["rl", "rl", "sft"]
    assert min(record.column("grad_norm")) > 1e-3
    compared(record.metrics, plain_record.metrics)
    assert torch.allclose(weights(ours), weights(plain), atol=2e-5)
    advantages = [row["advantage"] for row in plain_record.rows]
    assert [row["advantage"] for row in record.rows] == pytest.approx(advantages, abs=1e-5)


@pytest.mark.parametrize("cap", [None, 1.0])
def test_a_sampler_that_rounds_otherwise_is_corrected_for_as_trl_does(
    tmp_path: Path, cap: float | None
) -> None:
    """In the first update; behind it the smallest difference of weights may round to other draws."""
    options = {"rollout__dtype": "bfloat16", "train__rl__importance_cap": cap}
    _, plain = trained(tmp_path / "plain", Plain, **options)
    _, record = trained(tmp_path / "terms", AsTerms, **options)
    assert record.metrics[0]["sampler_gap_mean"] > 1e-4
    compared(record.metrics[:1], plain.metrics[:1])


def test_further_updates_on_a_batch_take_the_weights_of_the_first(tmp_path: Path) -> None:
    options = {"rollout__dtype": "bfloat16", "train__rl__importance_cap": 2.0}
    _, once = trained(tmp_path / "1", AsTerms, **options)
    _, thrice = trained(tmp_path / "3", AsTerms, **options, train__rl__updates_per_batch=3)
    first = once.metrics[0]["sampler_gap_mean"]
    assert thrice.metrics[0]["sampler_gap_mean"] == pytest.approx(first, rel=1e-6)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a run shows whose every step is one micro-batch."""
    _, record = trained(tmp_path_factory.mktemp("whole"), OfEveryKind, **REFERENCE)
    assert min(record.column("grad_norm")) > 1e-3
    return record.metrics


REFERENCE: dict[str, Any] = {"train__rl__beta": 0.05}
NOT_SKIPPED = {"speed__skip_zero_advantages": False}


@pytest.mark.parametrize(
    "options",
    [
        {"hardware__micro_batch": 1},
        {"hardware__micro_batch": 4, "speed__token_budget": False},
        {"hardware__micro_batch": 8, "speed__shared_context": False},
        {"hardware__micro_batch": 2, "speed__completion_head": False},
    ],
)
def test_no_cut_of_the_rows_changes_a_term_of_any_kind(
    tmp_path: Path, whole: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    _, record = trained(tmp_path, OfEveryKind, **REFERENCE, **options)
    compared(record.metrics, whole)
