"""Every saving against the same update without it: losses, gradient norms and weights stay, the work does not."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.tools.bench.workload import ArrangedGrader
from tests.fakes import tiny
from tests.training.test_trainer import build, weights

pytestmark = pytest.mark.slow
OFF = {f"speed__{name}": False for name in SpeedSettings.model_fields}


def train(
    run_dir: Path, mixed_share: float = 0.5, **options: Any
) -> tuple[Any, tiny.Remember, list[tuple[int, ...]]]:
    """A trained trainer, what it recorded, and the shapes of the ids that training gave its model."""
    trainer, recorder = build(run_dir, train__steps=3, **options)
    trainer.attempter.grader = ArrangedGrader(tiny.EvenGrader(), 4, mixed_share)  # type: ignore[arg-type]
    shapes: list[tuple[int, ...]] = []

    def see(module: Any, args: Any, kwargs: Any) -> None:
        if torch.is_grad_enabled():
            shapes.append(tuple(kwargs["input_ids"].shape))

    trainer.model.base_model.register_forward_pre_hook(see, with_kwargs=True)
    trainer.train()
    return trainer, recorder, shapes


def assert_same(tmp_path: Path, options: dict[str, Any], switches: dict[str, bool]) -> Any:
    plain, plain_record, before = train(tmp_path / "plain", **options, **OFF)
    lean, lean_record, after = train(tmp_path / "lean", **options, **OFF | switches)
    for column in ("reward_mean", "completion_tokens_mean", "zero_advantage_groups"):
        assert lean_record.column(column) == plain_record.column(column)
    assert lean_record.column("loss") == pytest.approx(plain_record.column("loss"), abs=1e-6)
    norms = plain_record.column("grad_norm")
    assert lean_record.column("grad_norm") == pytest.approx(norms, rel=1e-4, abs=1e-7)
    assert torch.allclose(weights(lean), weights(plain), atol=2e-5)
    return before, after, norms


@pytest.mark.parametrize(
    ("saving", "loss"),
    [
        ("skip_zero_advantages", "grpo"),
        ("skip_zero_advantages", "dr_grpo"),
        ("skip_zero_advantages", "dapo"),
        ("skip_zero_advantages", "bnpo"),
        ("token_budget", "grpo"),
        ("token_budget", "dapo"),
        ("token_budget", "bnpo"),
        ("completion_head", "grpo"),
    ],
)
def test_a_saving_changes_nothing(tmp_path: Path, saving: str, loss: str) -> None:
    """16 rows in micro-batches of 4 that TRL shuffles, so that parts differ in what is left of them."""
    options = {"train__rl__loss": loss, "hardware__micro_batch": 4}
    _, _, norms = assert_same(tmp_path, options, {f"speed__{saving}": True})
    assert min(norms) > 1e-3


@pytest.mark.parametrize(
    ("loss", "micro_batch"), [("grpo", None), ("grpo", 2), ("dapo", 2), ("bnpo", 2)]
)
def test_all_savings_together_change_nothing(
    tmp_path: Path, loss: str, micro_batch: int | None
) -> None:
    options = {"train__rl__loss": loss, "hardware__micro_batch": micro_batch}
    before, after, _ = assert_same(tmp_path, options, dict.fromkeys(OFF, True))
    assert tokens(after) < 0.6 * tokens(before)


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "dapo", "bnpo"])
@pytest.mark.parametrize(
    "option", [{"train__rl__entropy_bonus": 0.1}, {"trl__top_entropy_quantile": 0.5}]
)
def test_means_over_a_micro_batch_keep_its_rows_together(
    tmp_path: Path, loss: str, option: dict[str, Any]
) -> None:
    """TRL takes the entropy bonus and the quantile of entropies over each micro-batch, of 4 uneven rows here."""
    long = {"train__max_completion_tokens": 40, "hardware__micro_batch": 4}
    options = {"train__rl__loss": loss, **long, **option}
    before, after, _ = assert_same(tmp_path, options, {"speed__token_budget": True})
    assert [rows for rows, _ in after] == [rows for rows, _ in before] == [4] * 12
    assert tokens(after) < tokens(before)


@pytest.mark.parametrize("option", [{"train__rl__beta": 0.05}, {"train__rl__entropy_bonus": 0.01}])
def test_where_the_loss_has_more_than_advantages_every_row_stays(
    tmp_path: Path, option: dict[str, Any]
) -> None:
    switches = {"speed__skip_zero_advantages": True, "speed__completion_head": True}
    before, after, _ = assert_same(tmp_path, option, switches)
    assert [rows for rows, _ in after] == [rows for rows, _ in before] == [16] * 3


def test_rows_without_advantage_are_not_computed(tmp_path: Path) -> None:
    before, after, _ = assert_same(tmp_path, {}, {"speed__skip_zero_advantages": True})
    assert [rows for rows, _ in before] == [16] * 3
    assert [rows for rows, _ in after] == [8] * 3


@pytest.mark.parametrize("micro_batch", [None, 4])
def test_an_update_without_any_advantage_still_moves_by_momentum(
    tmp_path: Path, micro_batch: int | None
) -> None:
    """Adam goes on after gradients of zero, so a step without a gradient would be another step."""
    options = {"hardware__micro_batch": micro_batch, "train__rl__loss": "grpo"}

    class First(ArrangedGrader):
        """Advantages in the first step only."""

        def grade(self, solutions: Any) -> Any:
            found = super().grade(solutions)
            self.mixed_share = 0.0
            return found

    runs = []
    for name, value in (("plain", False), ("lean", True)):
        trainer, recorder = build(tmp_path / name, **options, **dict.fromkeys(OFF, value))
        trainer.attempter.grader = First(tiny.EvenGrader(), 4, 1.0)  # type: ignore[arg-type]
        trainer.train()
        assert recorder.column("grad_norm")[1:] == [0.0] * 3
        runs.append(weights(trainer))
    assert torch.allclose(runs[0], runs[1], atol=1e-5)
    one_step, _, _ = train(tmp_path / "one", mixed_share=1.0, **options, **OFF)
    assert not torch.allclose(runs[0], weights(one_step), atol=1e-5)


def tokens(shapes: list[tuple[int, ...]]) -> int:
    return sum(rows * width for rows, width in shapes)


@pytest.mark.parametrize("loss", ["grpo", "bnpo"])
def test_a_rank_fills_up_to_the_rows_of_the_fullest_rank(tmp_path: Path, loss: str) -> None:
    """Ranks must run as many micro-steps with as many rows each; rows that fill up change nothing."""
    options = {"train__rl__loss": loss, "hardware__micro_batch": 4, "train__steps": 1}
    plain, plain_record = build(tmp_path / "plain", **options, **OFF)
    plain.attempter.grader = ArrangedGrader(tiny.EvenGrader(), 4, 0.5)  # type: ignore[arg-type]
    plain.train()
    lean, lean_record = build(tmp_path / "lean", **options, **dict.fromkeys(OFF, True))
    lean.attempter.grader = ArrangedGrader(tiny.EvenGrader(), 4, 0.5)  # type: ignore[arg-type]
    lean._lockstep = True
    lean._most_of_any_rank = lambda number: 3 if loss == "bnpo" else 11  # type: ignore[method-assign]
    cuts: list[list[int]] = []
    plan = lean._plan

    def see(batches: Any) -> Any:
        found = plan(batches)
        cuts.append([len(part["advantages"]) for part in found if part is not None])
        return found

    lean._plan = see  # type: ignore[method-assign]
    lean.train()
    assert len(cuts[0]) == 4
    assert min(cuts[0]) >= 3
    assert lean_record.column("loss") == pytest.approx(plain_record.column("loss"), abs=1e-6)
    norms = plain_record.column("grad_norm")
    assert lean_record.column("grad_norm") == pytest.approx(norms, rel=1e-4)
