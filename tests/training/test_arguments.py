"""TRL's configuration: what our settings become, and what stays constant because each update decides it."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from hybrid_rl.training.arguments import build
from tests.fakes import tiny

pytestmark = pytest.mark.slow


def test_settings_become_trl_s(tmp_path: Path) -> None:
    made = build(
        tiny.settings(
            tmp_path,
            train__rl__learning_rate=3e-4,
            train__rl__loss="dr_grpo",
            train__rl__beta=0.1,
            hardware__micro_batch=4,
            train__save_every=3,
        )
    )
    assert (made.max_steps, made.save_steps) == (4, 3)
    assert (made.per_device_train_batch_size, made.gradient_accumulation_steps) == (4, 4)
    assert (made.num_generations, made.max_completion_length) == (4, 8)
    assert (made.loss_type, made.learning_rate) == ("dr_grpo", 3e-4)
    assert made.output_dir == str(tmp_path / "checkpoints")


def test_what_our_trainer_decides_is_kept_from_trl(tmp_path: Path) -> None:
    """The reference, the schedule and reports are ours; a moving reference is never synchronised within the run."""
    made = build(tiny.settings(tmp_path, train__rl__beta=0.1))
    assert (made.beta, made.lr_scheduler_type) == (0.0, "constant")
    assert made.ref_model_sync_steps > made.max_steps
    assert made.report_to in ("none", [], ["none"])


def test_a_method_that_never_samples_passes_trl_s_check_of_groups(tmp_path: Path) -> None:
    made = build(tiny.settings(tmp_path, "sft"))
    assert (made.num_generations, made.per_device_train_batch_size) == (2, 2)
