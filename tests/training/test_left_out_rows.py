"""Groups that a method leaves out of the update: no part in gradient, KL, entropy, tokens or spread of the others."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.methods.base import Method
from hybrid_rl.training.streams import Stream
from hybrid_rl.types import Group, Rollout, Update, Verdict
from tests.fakes import tiny
from tests.training.test_trainer import build

pytestmark = pytest.mark.slow


class InOrder(Stream):
    def take(self, position: int, count: int) -> list[Any]:
        return [self.items[i % len(self.items)] for i in range(position, position + count)]


class FirstAlone(Method):
    """The first group has two correct of four; the others are left out, each with four rollouts of `length`."""

    length = 1

    def rollout(self, step: int, examples: Any, attempt: Any) -> list[Group]:
        mixed = [
            Rollout((2 + i, 3 + i, 1), Verdict("correct" if i % 2 else "wrong", float(i % 2)))
            for i in range(4)
        ]
        failed = [Rollout((5,) * self.length, Verdict("wrong", 0.0))] * 4
        left_out = [Group(example, tuple(failed), trained=False) for example in examples[1:]]
        return [Group(examples[0], tuple(mixed)), *left_out]


def one_step(directory: Path, groups: int, length: int, **overrides: Any) -> tuple[float, Any]:
    """The gradient norm and the rows of an update on so many groups."""
    method = FirstAlone(tiny.settings(directory).method, {}, seed=0, steps=1)
    method.length = length
    trainer, recorder = build(
        directory, instance=method, train__steps=1, train__prompts_per_step=groups, **overrides
    )
    trainer.position.questions = InOrder(trainer.position.questions.items, 0, "questions")
    trainer.train()
    return recorder.column("grad_norm")[0], recorder.rows


@pytest.mark.parametrize("saves", [True, False])
@pytest.mark.parametrize(
    "changed",
    [
        {"train__rl__loss": "dapo"},
        {"train__rl__loss": "dapo", "train__rl__scale_rewards": "batch"},
        {"train__rl__loss": "dapo", "train__rl__entropy_bonus": 0.01},
        {"train__rl__loss": "bnpo", "hardware__micro_batch": 16},
    ],
)
def test_a_group_is_trained_on_as_if_it_were_alone(
    tmp_path: Path, changed: dict[str, Any], saves: bool
) -> None:
    chosen = changed | {f"speed__{name}": saves for name in SpeedSettings.model_fields}
    alone, _ = one_step(tmp_path / "alone", 1, 1, **(chosen | {"hardware__micro_batch": 4}))
    assert alone > 0.01
    for length in (1, 8):
        found, rows = one_step(tmp_path / f"with_{length}", 4, length, **chosen)
        assert found == pytest.approx(alone, rel=1e-4)
        assert [row["advantage"] for row in rows if not row["trained"]] == [0.0] * 12


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo"])
def test_a_mean_over_rows_counts_them(tmp_path: Path, loss: str) -> None:
    alone, _ = one_step(tmp_path / "alone", 1, 1, train__rl__loss=loss, hardware__micro_batch=4)
    found, _ = one_step(tmp_path / "with", 4, 8, train__rl__loss=loss)
    assert found == pytest.approx(alone / 4, rel=1e-4)


class NoneAfterTheFirst(Method):
    def rollout(self, step: int, examples: Any, attempt: Any) -> list[Group]:
        groups = super().rollout(step, examples, attempt)
        return [Group(g.example, g.rollouts, trained=step == 0) for g in groups]


@pytest.mark.parametrize("term", ["entropy_bonus", "beta"])
def test_neither_kl_nor_entropy_moves_a_model_by_groups_left_out(tmp_path: Path, term: str) -> None:
    method = NoneAfterTheFirst(tiny.settings(tmp_path).method, {}, seed=0, steps=2)
    term_of = {f"train__rl__{term}": 0.05}
    trainer, recorder = build(tmp_path, instance=method, train__steps=2, **term_of)
    trainer.train()
    first, second = recorder.column("grad_norm")
    assert first > 1e-3
    assert second == 0.0


def test_the_norm_of_a_skipped_step_is_not_remembered(tmp_path: Path) -> None:
    """Its loss is infinite, its gradient is not."""
    trainer, recorder = build(
        tmp_path, "sasr", guards__non_finite="skip", guards__max_skips=2, train__steps=4
    )
    told: list[float] = []
    observe, plain = trainer.method.observe_norm, trainer.compute_loss

    def watched(step: int, update: Update, grad_norm: float) -> None:
        told.append(grad_norm)
        observe(step, update, grad_norm)

    def compute(*args: Any, **kwargs: Any) -> Any:
        loss = plain(*args, **kwargs)
        return loss + torch.inf if trainer.state.global_step == 0 else loss

    trainer.method.observe_norm, trainer.compute_loss = watched, compute
    trainer.train()
    assert [line.get("skipped", 0) for line in recorder.metrics][:2] == [1, 0]
    assert not torch.tensor(told[0]).isfinite()
    assert trainer.method.warmup_norms == told[1:2]


class Prefixed(Method):
    """Shows the first token of every trace, and leaves the last question out of the update."""

    def rollout(self, step: int, examples: Any, attempt: Any) -> list[Group]:
        groups = super().rollout(step, examples, attempt)
        return [
            Group(
                g.example, g.rollouts, prefix=g.example.trace.ids[:1], trained=g is not groups[-1]
            )
            for g in groups
        ]


def test_prefix_and_untrained_rows_carry_no_gradient(tmp_path: Path) -> None:
    settings = tiny.settings(tmp_path).method
    method = Prefixed(settings, {}, seed=0, steps=1)
    trainer, recorder = build(tmp_path, instance=method, train__steps=1)
    seen: dict[str, Any] = {}
    plain = trainer._compute_loss

    def watch(model: Any, inputs: Any) -> torch.Tensor:
        seen.update(inputs)
        return plain(model, inputs)

    trainer._compute_loss = watch
    trainer.train()
    prompt_lengths = seen["prompt_mask"].sum(1)
    expected = {len(e.prompt_ids) + 1 for e in tiny.examples(4)}
    assert set(prompt_lengths.tolist()) == expected
    rows = recorder.rows
    assert all(row["prefix"] for row in rows)
    untrained = [row["advantage"] for row in rows if not row["trained"]]
    assert untrained == [0.0] * 4
    assert any(row["advantage"] for row in rows)
