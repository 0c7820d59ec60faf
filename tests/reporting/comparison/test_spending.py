"""What a comparison says where its arms did not spend equally."""

from pathlib import Path

from hybrid_rl.recording.files import append_json
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting.comparison import arms, spending
from tests.fakes import recorded, studies


def _notes(path: Path, budget: float | None = None, **bread: float) -> list[str]:
    """grpo spends 3.6e10 FLOPs, 8,000 generated tokens and 24,000 trained ones; bread the same but for `bread`."""
    studies.write_study(path, {"grpo": 0.3, "bread": 0.7}, seeds=(0,))
    run = RunDir(path / "bread" / "seed_0")
    append_json(run.metrics, {**recorded.metrics(12, "rl"), **bread})
    studies.change_settings(run, "budget", flops=budget, generated_tokens=None)
    return list(spending.notes(arms.read([path]).arms))


def _unequal(told: str, budgets: str) -> list[str]:
    return [
        f"The arms did not spend equally: {told}. Compare curves against {budgets}, or give all runs the same with"
        " budget.*."
    ]


def test_without_a_budget_the_most_unequal_axis_comes_before_flops(tmp_path: Path) -> None:
    assert _notes(tmp_path, flops=3.15e10, generated_tokens=25_600) == _unequal(
        "bread spent 3.2 times as many generated tokens as grpo, and grpo spent 1.1 times as many FLOPs as bread",
        "these budgets",
    )


def test_without_a_budget_trained_tokens_are_looked_at_and_equal_flops_are_told(
    tmp_path: Path,
) -> None:
    assert _notes(tmp_path, trained_tokens=12_000) == _unequal(
        "grpo spent 2.0 times as many trained tokens as bread, and all spent about as many FLOPs",
        "these budgets",
    )


def test_without_a_budget_an_axis_on_which_an_arm_spends_nothing_is_left_out(
    tmp_path: Path,
) -> None:
    assert _notes(tmp_path / "a", generated_tokens=0) == []
    assert _notes(tmp_path / "b", generated_tokens=0, flops=7.2e10) == _unequal(
        "bread spent 2.0 times as many FLOPs as grpo", "this budget"
    )


def test_with_a_budget_flops_come_first_and_an_arm_that_generates_nothing_is_told(
    tmp_path: Path,
) -> None:
    assert _notes(tmp_path / "a", 1e12, flops=7.2e10, generated_tokens=80_000) == _unequal(
        "bread spent 2.0 times as many FLOPs as grpo", "this budget"
    )
    assert _notes(tmp_path / "b", 1e12, generated_tokens=0) == _unequal(
        "grpo spent generated tokens, and bread spent none", "this budget"
    )
    assert _notes(tmp_path / "c", 1e12, trained_tokens=1) == []
