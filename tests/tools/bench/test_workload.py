"""Both trainers of the benchmark are given the same work, in the same dtype and on the same device."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.config import composing
from hybrid_rl.models import loading
from hybrid_rl.tools.bench import presets
from hybrid_rl.tools.bench.workload import ArrangedGrader, plain_options, random_model
from hybrid_rl.training import arguments
from hybrid_rl.verification.grader import Solution
from tests.fakes import tiny

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("share", "mixed"), [(1.0, [True] * 4), (0.5, [False, True] * 2), (0.0, [False] * 4)]
)
def test_the_arranged_share_of_groups_has_advantages(share: float, mixed: list[bool]) -> None:
    grader = ArrangedGrader(tiny.EvenGrader(), 4, share)  # type: ignore[arg-type]
    rewards = [verdict.reward for verdict in grader.grade([Solution("", "0")] * 16)]
    assert [len(set(rewards[i : i + 4])) == 2 for i in range(0, 16, 4)] == mixed
    assert grader.calls == 16


GPU = [
    (presets.SMALL, ["hardware=gpu"]),
    (presets.LARGE, []),
    (presets.SMALL, ["hardware.precision=bfloat16"]),
    (presets.SMALL, []),
]


@pytest.mark.parametrize(("preset", "typed"), GPU)
def test_plain_trl_computes_in_the_dtype_and_on_the_device_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: presets.Preset, typed: list[str]
) -> None:
    monkeypatch.setattr(arguments, "GRPOConfig", dict)
    settings = composing.settings_of(presets.overrides(preset, None, typed), tmp_path)
    ours: Any = arguments.build(settings)
    plain = plain_options(settings, tmp_path)
    same = ("use_cpu", "bf16", "activation_checkpointing", "per_device_train_batch_size")
    assert [plain[name] for name in same] == [ours[name] for name in same]
    assert plain["use_cpu"] is (settings.hardware.device == "cpu")
    assert plain["bf16"] is bool(typed or preset is presets.LARGE)


def test_the_large_preset_has_half_a_billion_weights(tmp_path: Path) -> None:
    settings = composing.settings_of(presets.overrides(presets.LARGE, None), tmp_path)
    like = loading.load_model(settings.model)
    assert presets.LARGE.random is not None
    with torch.device("meta"):
        made = random_model(like, *presets.LARGE.random)
    assert loading.parameter_count(made) == pytest.approx(0.5e9, rel=0.05)
    assert made.dtype == torch.bfloat16
    assert made.config.head_dim == 64
