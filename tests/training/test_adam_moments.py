"""Adam's moments by name, against as many real optimizers on the same weights."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.errors import SettingsError
from hybrid_rl.methods.base import Method
from hybrid_rl.training.adam_moments import NamedMoments
from hybrid_rl.types import Update
from tests.conftest import Load
from tests.fakes import tiny
from tests.training.test_trainer import build, weights

NAMES = ["rl", "sft", "rl", "a / name", "rl", "sft", "a / name", "rl"]


def gradient(step: int) -> Any:
    return torch.randn(3, generator=torch.Generator().manual_seed(step))


def adam(weight: Any, **options: Any) -> Any:
    return torch.optim.AdamW([weight], lr=0.1, weight_decay=0.0, **options)


@pytest.mark.parametrize("fused", [False, True])
def test_it_is_as_many_optimizers_on_the_same_weights(tmp_path: Path, fused: bool) -> None:
    theirs = torch.zeros(3, requires_grad=True)
    three = {name: adam(theirs, fused=fused) for name in set(NAMES)}
    ours = torch.zeros(3, requires_grad=True)
    one, moments = adam(ours, fused=fused), NamedMoments()
    shared = torch.zeros(3, requires_grad=True)
    plain = adam(shared, fused=fused)
    for step, name in enumerate(NAMES):
        for weight in (theirs, ours, shared):
            weight.grad = gradient(step)
        three[name].step()
        plain.step()
        moments.use(name, one)
        one.step()
        if step == 4:  # as a checkpoint does, between two updates
            moments.save(one, tmp_path / "file")
            moments = NamedMoments()
            moments.load(one, tmp_path / "file")
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, shared)


def test_a_new_name_steps_as_adam_does_at_first() -> None:
    """The first step of Adam is the rate, 0.1, against the sign of the gradient, whatever was learned before."""
    weight = torch.zeros(3, requires_grad=True)
    optimizer, moments = adam(weight), NamedMoments()
    for name in ("sft", "rl"):
        moments.use(name, optimizer)
        for _ in range(5 if name == "sft" else 1):
            before = weight.detach().clone()
            weight.grad = torch.tensor([3.0, 0.5, -2.0]) * (1 if name == "sft" else -1e-3)
            optimizer.step()
    assert (weight - before).tolist() == pytest.approx([0.1, 0.1, -0.1], rel=1e-4)
    assert int(optimizer.state[weight]["step"]) == 1


def test_dropped_moments_begin_afresh() -> None:
    weight = torch.zeros(3, requires_grad=True)
    optimizer, moments = adam(weight), NamedMoments()
    for name in ("sft", "rl", "sft"):
        moments.use(name, optimizer)
        if name == "rl":
            moments.drop_resting()
        weight.grad = gradient(0)
        optimizer.step()
    assert int(optimizer.state[weight]["step"]) == 1
    assert moments.resting.keys() == {"rl"}


class InTurns(Method):
    """Three names, and a kind for each."""

    def next_update(self, step: int, progress: float) -> Update:
        return Update("sft" if step % 3 == 1 else "rl", moments="abc"[step % 3])


@pytest.mark.slow
def test_a_resume_with_three_names_equals_the_uninterrupted_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"train__steps": 8, "train__save_every": 4}

    def built(name: str) -> Any:
        method = InTurns(tiny.settings(tmp_path).method, {}, seed=0, steps=8)
        return build(tmp_path / name, "grpo", tiny.examples(10), instance=method, **options)[0]

    straight = built("a")
    straight.train()
    again = built("b")
    torch.manual_seed(99)
    again.run(resume=tmp_path / "a" / "checkpoints" / "checkpoint-4")
    assert torch.equal(weights(again), weights(straight))
    sets = {again._moments.in_use: again.optimizer.state, **again._moments.resting}
    steps = {name: {int(one["step"]) for one in state.values()} for name, state in sets.items()}
    assert steps == {"a": {3}, "b": {3}, "c": {2}}


@pytest.mark.slow
def test_sft_then_grpo_holds_one_set_of_moments(tmp_path: Path) -> None:
    trainer, _ = build(tmp_path, "sft_then_grpo", method__sft_fraction=0.5)
    trainer.train()
    assert trainer._moments.in_use == "rl"
    assert trainer._moments.resting == {}
    assert {int(one["step"]) for one in trainer.optimizer.state.values()} == {2}


def test_what_deepspeed_cannot_do_is_refused_beforehand(load: Load) -> None:
    zero = "hardware.deepspeed={zero_optimization:{stage:2}}"
    with pytest.raises(SettingsError) as error:
        load("method=sasr", zero, "method.probe_every=20")
    assert str(error.value) == (
        "method.probe_every = 20: DeepSpeed's engine cannot do that;"
        " set method.probe_every=null, or hardware.deepspeed=null"
    )
