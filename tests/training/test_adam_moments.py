"""Adam moments of their own for one kind of update, against two real optimizers on the same weights."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.errors import SettingsError
from hybrid_rl.methods.base import Method
from hybrid_rl.training.adam_moments import OwnMoments
from hybrid_rl.types import Update
from tests.conftest import Load
from tests.fakes import tiny
from tests.training.test_trainer import build, weights

KINDS = ["rl", "sft", "rl", "rl", "sft", "rl"]


def gradient(step: int) -> Any:
    return torch.randn(3, generator=torch.Generator().manual_seed(step))


def adam(weight: Any) -> Any:
    return torch.optim.AdamW([weight], lr=0.1, weight_decay=0.0)


def test_it_is_two_optimizers_on_the_same_weights(tmp_path: Path) -> None:
    theirs = torch.zeros(3, requires_grad=True)
    two = {"rl": adam(theirs), "sft": adam(theirs)}
    ours = torch.zeros(3, requires_grad=True)
    one, own = adam(ours), OwnMoments()
    shared = torch.zeros(3, requires_grad=True)
    plain = adam(shared)
    for step, kind in enumerate(KINDS):
        theirs.grad = gradient(step)
        two[kind].step()
        shared.grad = gradient(step)
        plain.step()
        if kind == "sft":
            own.enter(one)
        ours.grad = gradient(step)
        one.step()
        own.leave(one)
        if step == 3:  # as a checkpoint does, between two updates
            own.save(one, tmp_path)
            own = OwnMoments()
            own.load(one, tmp_path)
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, shared)


class SftEveryThird(Method):
    def next_update(self, step: int, progress: float) -> Update:
        sft = step % 3 == 1
        return Update("sft" if sft else "rl", own_moments=sft)


@pytest.mark.slow
def test_a_resume_with_own_moments_equals_the_uninterrupted_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"train__steps": 6, "train__save_every": 3}

    def built(name: str) -> Any:
        method = SftEveryThird(tiny.settings(tmp_path).method, {}, seed=0, steps=6)
        return build(tmp_path / name, "grpo", tiny.examples(10), instance=method, **options)[0]

    straight = built("a")
    straight.train()
    again = built("b")
    torch.manual_seed(99)
    again.run(resume=tmp_path / "a" / "checkpoints" / "checkpoint-3")
    assert torch.equal(weights(again), weights(straight))
    # four RL updates in one set of moments, two SFT updates in the other
    steps = {
        int(state["step"])
        for moments in (again.optimizer.state, again._own_moments.resting)
        for state in moments.values()
    }
    assert steps == {4, 2}


@pytest.mark.parametrize(
    ("method", "given", "remedy"),
    [
        ("relift", "own_moments = true", "own_moments=false"),
        ("sasr", "probe_every = 20", "probe_every=null"),
    ],
)
def test_what_deepspeed_cannot_do_is_refused_beforehand(
    method: str, given: str, remedy: str, load: Load
) -> None:
    zero = "hardware.deepspeed={zero_optimization:{stage:2}}"
    with pytest.raises(SettingsError) as error:
        load(f"method={method}", zero, f"method.{given.replace(' ', '')}")
    assert str(error.value) == (
        f"method.{given}: DeepSpeed's engine cannot do that;"
        f" set method.{remedy}, or hardware.deepspeed=null"
    )
