"""A run with three names of moments and updates without a gradient, on one engine, held to plain PyTorch.

As a program, one rank of a group: `python -m tests.fakes.stepped DIRECTORY ENGINE`; writes DIRECTORY/ENGINE-RANK.json.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object
from transformers import TrainerCallback

from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import ranks
from hybrid_rl.methods.base import Method
from hybrid_rl.models.policy import Policy
from hybrid_rl.training.arguments import build
from hybrid_rl.training.optimizer_step import innermost
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.types import Attempts, Example, Group, Update
from tests.fakes import played, tiny

STEPS, SAVED = 9, 5
OFFLOAD = {"hardware__deepspeed__zero_optimization__offload_optimizer": "{device: cpu}"}
NAMES = "abcabcabc"


class InTurns(Method[Any]):
    """Three names in turn; SFT and RL in turn, and no advantage in every second RL update."""

    def next_update(self, step: int, progress: float) -> Update:
        return Update("rl" if step % 2 else "sft", moments=NAMES[step])

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        groups = super().rollout(step, examples, attempt)
        if step % 4 == 1:
            return groups
        return [Group(g.example, (g.rollouts[0],) * len(g.rollouts)) for g in groups]


class Stepping(TrainerCallback):
    """Takes down what the innermost optimizer of this rank steps on, from the first step on."""

    def __init__(self, trainer: HybridTrainer) -> None:
        self.trainer = trainer
        self.calls: list[tuple[int, Any, Any, dict[str, Any]]] = []
        """(step, tensor, its gradient or None, the group's options) of every tensor in every call."""
        self.starts: dict[Any, Any] = {}
        self.places: dict[int, list[Any]] = {}
        """The tensors after each step."""

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        if not self.starts:
            innermost(self.trainer.optimizer).register_step_pre_hook(self.begin)

    def begin(self, stepping: Any, *args: Any) -> None:
        for group in stepping.param_groups:
            options = {
                name: group[name] for name in ("lr", "betas", "eps", "weight_decay", "fused")
            }
            for tensor in group["params"]:
                self.starts.setdefault(tensor, tensor.detach().clone())
                gradient = None if tensor.grad is None else tensor.grad.clone()
                self.calls.append((self.trainer.state.global_step, tensor, gradient, options))

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        held = [tensor.detach().clone() for tensor in self.starts]
        self.places[self.trainer.state.global_step] = held

    def replayed(self) -> list[Any]:
        """Where as many optimizers as there are names would have brought the tensors, by the same gradients."""
        twins = {tensor: start.clone().requires_grad_() for tensor, start in self.starts.items()}
        optimizers: dict[Any, Any] = {}
        for step, tensor, gradient, options in self.calls:
            key = NAMES[step], tensor
            if key not in optimizers:
                optimizers[key] = torch.optim.AdamW([twins[tensor]], **options)
            optimizers[key].param_groups[0]["lr"] = options["lr"]
            twins[tensor].grad = gradient
            optimizers[key].step()
        return [twin.detach() for twin in twins.values()]


def settings(directory: Path, engine: str) -> Settings:
    hardware, _, more = engine.partition("+")
    chosen: dict[str, Any] = {"hardware__micro_batch": 4}
    if engine != "one":
        chosen |= {"hardware": hardware, "hardware__device": "cpu", "hardware__processes": 2}
        chosen["hardware__collective_timeout_seconds"] = 120
    if more:
        chosen |= OFFLOAD | {"hardware__deepspeed__zero_force_ds_cpu_optimizer": "false"}
    return tiny.settings(
        directory, train__steps=STEPS, train__save_every=SAVED, train__weight_decay=0.1, **chosen
    )


def trained(directory: Path, engine: str, resume: Path | None = None) -> tuple[Any, Any, Any]:
    """A trainer at the end of its run, with its recorder and what its optimizer stepped on."""
    made = settings(directory, engine)
    AcceleratorState._reset_state()
    examples, recorder = tiny.examples(played.QUESTIONS), tiny.Remember()
    trainer = HybridTrainer(
        args=build(made),
        policy=Policy(tiny.model(), tiny.vocabulary(), made),
        method=InTurns(made.method, {e.id: e for e in examples}, made.seed, STEPS),
        examples=examples,
        grader=played.LastEven(),
        settings=made,
        recorder=recorder,
    )
    trainer.attempter.sample = played.Scripted(trainer)
    stepping = Stepping(trainer)
    trainer.add_callback(stepping)
    trainer.run(resume=resume)
    return trainer, recorder, stepping


def moments(trainer: Any, tensors: Sequence[Any]) -> dict[str, list[Any]]:
    """All of Adam's numbers, by name, in the order of the tensors that it steps."""
    used = innermost(trainer.optimizer).state
    states = {**trainer._moments.resting, trainer._moments.in_use: used}
    return {
        name: [
            torch.as_tensor(value)
            for tensor in tensors
            for _, value in sorted(state[tensor].items())
        ]
        for name, state in states.items()
    }


def equal(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    return len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


def found(directory: Path, engine: str) -> dict[str, Any]:
    """What this rank saw; `moved` and `update_norms` by step."""
    trainer, recorder, stepping = trained(directory / engine, engine)
    places = {0: list(stepping.starts.values()), **stepping.places}
    squares = [
        sum(float((b - a).double().square().sum()) for a, b in zip(*pair, strict=True))
        for pair in ((places[step - 1], places[step]) for step in range(1, STEPS + 1))
    ]
    shares = gather_object([squares])
    if not trainer.is_deepspeed_enabled:
        shares = shares[:1]  # all ranks step everything
    checkpoint = directory / engine / "checkpoints" / f"checkpoint-{SAVED}"
    again, _, resumed = trained(directory / f"{engine}-again", engine, checkpoint)
    ours, theirs = moments(trainer, [*stepping.starts]), moments(again, [*resumed.starts])
    return {
        "as_torch": equal(stepping.places[STEPS], stepping.replayed()),
        "gradients": [step for step, _, gradient, _ in stepping.calls if gradient is not None],
        "moved": [sum(column) ** 0.5 for column in zip(*shares, strict=True)],
        "still": [step for step in range(1, STEPS + 1) if equal(places[step - 1], places[step])],
        "metrics": recorder.metrics,
        "names": {name: len(numbers) > 0 for name, numbers in ours.items()},
        "resumed_weights": equal(resumed.places[STEPS], stepping.places[STEPS]),
        "resumed_moments": ours.keys() == theirs.keys()
        and all(equal(ours[name], theirs[name]) for name in ours),
    }


def main() -> None:
    directory, engine = Path(sys.argv[1]), sys.argv[2]
    ranks.join(settings(directory, engine).hardware)
    result = found(directory, engine)
    rank = PartialState().process_index
    (directory / f"{engine}-{rank}.json").write_text(json.dumps(result))
    ranks.leave()


if __name__ == "__main__":
    main()
