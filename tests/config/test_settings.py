"""Settings as a whole: what comes back from settings.json, and what follows from several sections."""

from pathlib import Path

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.methods.grpo import GrpoSettings
from tests.conftest import Load


def test_settings_come_back_equal_from_json(load: Load, tmp_path: Path) -> None:
    settings = load("method=grpo", "trl.top_entropy_quantile=0.8", "data.traces=0.5")
    path = tmp_path / "settings.json"
    path.write_text(settings.model_dump_json(indent=2))
    again = Settings.load_json(path)
    assert again == settings
    assert type(again.method) is GrpoSettings


def test_settings_are_frozen(load: Load) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().seed = 3  # type: ignore[misc]


def test_the_batch_of_the_default_run(load: Load) -> None:
    batch = load("method=grpo", "method.group_size=4", "train.prompts_per_step=2").batch
    assert (batch.rows_per_device, batch.micro_batch, batch.accumulation) == (8, 8, 1)
    assert load("method=sft", "train.sft.batch_size=6").batch.rows_per_device == 6


def test_the_settings_of_the_method_say_what_the_run_samples_and_learns_from(load: Load) -> None:
    found = {
        method: (settings.method.group_size, settings.sft_batch)
        for method in ("sft", "grpo", "relift", "bread_relift")
        if (settings := load(f"method={method}"))
    }
    assert found == {
        "sft": (None, ("train.sft.batch_size", 16)),
        "grpo": (16, ("train.sft.batch_size", 16)),
        "relift": (16, ("method.batch_size", 16)),
        "bread_relift": (16, ("method.relift.batch_size", 16)),
    }


@pytest.mark.parametrize(
    ("overrides", "moves"),
    [
        (["method=sft_then_grpo"], False),
        (["method=sft_then_grpo", "train.rl.beta=0.1"], True),
        (["method=grpo", "train.rl.beta=0.1"], False),
        (["method=grpo", "train.rl.beta=0.1", "train.rl.ref_sync_steps=5"], True),
        (["method=alternate", "train.rl.beta=0.1", "method.warmup_steps=0"], False),
        (["method=alternate", "train.rl.beta=0.1", "method.warmup_steps=3"], True),
        (["method=sasr", "train.rl.beta=0.1"], True),
        (["method=sasr", "train.rl.beta=0.1", "method.control=no_warmup"], False),
        (["method=sasr"], False),
        (["method=sasr", "method.signal=both"], True),
        (["method=sasr", "method.signal=both", "method.control=no_warmup"], False),
    ],
    ids=str,
)
def test_the_reference_moves_where_it_is_synchronised_or_renewed(
    load: Load, overrides: list[str], moves: bool
) -> None:
    assert load(*overrides).moves_reference is moves
