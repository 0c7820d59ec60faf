"""Methods that make up their loss of terms, for tests of how it is computed: what TRL's loss is too, and all there is.

As a program, one rank of a group: `python -m tests.fakes.composed DIRECTORY ENGINE`; writes DIRECTORY/ENGINE-RANK.json.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.state import AcceleratorState

from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import ranks
from hybrid_rl.methods.base import Method
from hybrid_rl.methods.grpo import GrpoSettings
from hybrid_rl.methods.terms import Row, Term, judged, likelihood
from hybrid_rl.models.policy import Policy
from hybrid_rl.training.arguments import build
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.types import Attempt, Attempts, Example, Group, Update
from tests.fakes import played, tiny

STEPS = 3


class Plain(Method[GrpoSettings]):
    """GRPO in which the second group of a rank is left out, and SFT in every third step."""

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        groups = super().rollout(step, examples, attempt)
        return [replace(g, trained=place != 1) for place, g in enumerate(groups)]

    def next_update(self, step: int, progress: float) -> Update:
        return Update("rl") if step % 3 < 2 else Update("sft", entropy_bonus=0.01)


class AsTerms(Plain):
    """The same, by the rows and terms that are the default."""

    def terms(self, *known: Any) -> list[Term]:
        return super().terms(*known)


class OfEveryKind(Method[GrpoSettings]):
    """Groups of unequal sizes with expert rows, hints and demonstrations: a term and a factor of each kind."""

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        attempts = [
            Attempt(e, completion=None if i else e.trace.ids) for e in examples for i in range(4)
        ]
        rollouts = attempt(attempts)
        hinted = iter(attempt([Attempt(e, prefix=e.trace.ids[:1]) for e in examples]))
        made = []
        for place, example in enumerate(examples):
            made.append(Group(example, tuple(rollouts[4 * place : 4 * place + 4])))
            made.append(Group(example, (next(hinted),), prefix=example.trace.ids[:1]))
        return made

    def next_update(self, step: int, progress: float) -> Update:
        return Update("rl", demonstrations=5)

    def terms(
        self, step: int, update: Update, groups: Sequence[Group], demonstrations: Sequence[Example]
    ) -> list[Term]:
        rows: list[Row] = []
        free: list[Row] = []
        for group, hinted in zip(groups[::2], groups[1::2], strict=True):
            own = judged(group)
            reward, prompt = hinted.rollouts[0].verdict.reward, group.example.prompt_ids
            rows += [replace(own[0], factor="shaped", expert=True), *own[1:]]
            rows += [
                Row(group.example, prompt, hinted.prefix, reward=reward, peers=own[0].peers,
                    in_baseline=False, keep=0.5, expert=True),
                Row(group.example, prompt + hinted.prefix, hinted.rollouts[0].completion, weight=reward),
            ]  # fmt: skip
            free += [
                Row(group.example, prompt, one.completion, weight=-0.1, entropy=1.0)
                for one in group.rollouts[2:]
            ]
        taught = [
            likelihood(one, factor=factor, entropy=-1.0)
            for one in demonstrations
            for factor in ("one", "p", "p(1-p)")
        ]
        return [
            Term(rows, scale=0.7),
            Term(free, mean="slot", entropy_bonus=0.02, name="free"),
            Term(taught, scale=0.3, mean="token", name="taught"),
            Term(
                [replace(one, keep=0.3) for one in taught if one.factor != "p"],
                mean="row",
                name="kept",
            ),
        ]


def trained(
    directory: Path, method: type[Method[Any]], engine: str = "one", **chosen: Any
) -> tuple[HybridTrainer, tiny.Remember]:
    """A trainer after STEPS steps of 4 questions by 4 scripted rollouts, and what it recorded."""
    if engine != "one":
        chosen |= {"hardware": engine, "hardware__device": "cpu", "hardware__processes": 2}
        chosen["hardware__collective_timeout_seconds"] = 120
    made: Settings = tiny.settings(directory, train__steps=STEPS, **chosen)
    AcceleratorState._reset_state()
    target = f"{method.__module__}.{method.__qualname__}"
    made = made.model_copy(update={"method_target": target})
    arguments = build(made)
    arguments.save_strategy = "no"
    examples, recorder = tiny.examples(played.QUESTIONS), tiny.Remember()
    trainer = HybridTrainer(
        args=arguments,
        policy=Policy(tiny.model(), tiny.vocabulary(), made),
        method=method(made.method, {e.id: e for e in examples}, made.seed, STEPS),
        examples=examples,
        grader=played.LastEven(),
        settings=made,
        recorder=recorder,
    )
    trainer.attempter.sample = played.Scripted(trainer)
    trainer.train()
    return trainer, recorder


def main() -> None:
    directory, engine = Path(sys.argv[1]), sys.argv[2]
    chosen = {"hardware": engine, "hardware__device": "cpu", "hardware__processes": 2}
    ranks.join(tiny.settings(directory, **chosen).hardware)
    _, recorder = trained(directory / engine, OfEveryKind, engine, hardware__micro_batch=4)
    rank = PartialState().process_index
    (directory / f"{engine}-{rank}.json").write_text(json.dumps(recorder.metrics))
    ranks.leave()


if __name__ == "__main__":
    main()
