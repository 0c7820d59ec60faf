"""Methods that make up their loss of terms, for tests of how it is computed: what TRL's loss is too, and all there is.

As a program, one rank of a group: `python -m tests.fakes.composed DIRECTORY ENGINE`; writes DIRECTORY/ENGINE-RANK.json.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.state import AcceleratorState

from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import ranks
from hybrid_rl.methods.alternate import Alternate
from hybrid_rl.methods.base import Method
from hybrid_rl.methods.chord import Chord
from hybrid_rl.methods.grpo import GrpoSettings
from hybrid_rl.methods.hpt import Hpt
from hybrid_rl.methods.luffy import Luffy
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


class HalfGated(Hpt):
    """HPT that gates the first half of the questions: of two ranks one has demonstrations alone, the other none."""

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        groups, ranks = super().rollout(step, examples, attempt), PartialState()
        first, half = ranks.process_index * len(groups), ranks.num_processes * len(groups) // 2
        return [replace(g, note={"gated": first + i < half}) for i, g in enumerate(groups)]


@dataclass(frozen=True)
class Run:
    """A method, the file of conf/method that has its settings, and what differs from that."""

    method: type[Method[Any]]
    conf: str
    chosen: dict[str, Any]


RUNS = {
    "of every kind": Run(OfEveryKind, "grpo", {"hardware__micro_batch": 4}),
    # Most micro-batches have rows of both terms or of one, and ranks run out of rows at different ones.
    "chord": Run(Chord, "chord", {"hardware__micro_batch": 4}),
    "one demonstration for two ranks": Run(
        Chord, "chord", {"hardware__micro_batch": 2, "method__demonstrations": 1}
    ),
    "demonstrations on one rank": Run(HalfGated, "hpt", {"hardware__micro_batch": 2}),
    "luffy": Run(Luffy, "luffy", {"hardware__micro_batch": 2}),
    "three updates": Run(
        OfEveryKind,
        "grpo",
        {
            "hardware__micro_batch": 4,
            "train__rl__updates_per_batch": 3,
            "train__rl__epsilon": 0.01,
            "train__rl__learning_rate": 1e-3,
        },
    ),
    "two updates by the default terms": Run(
        Alternate, "alternate", {"hardware__micro_batch": 4, "train__rl__updates_per_batch": 2}
    ),
}
"""What two ranks must train as one process does."""


def trained(
    directory: Path,
    method: type[Method[Any]],
    engine: str = "one",
    conf: str = "grpo",
    **chosen: Any,
) -> tuple[HybridTrainer, tiny.Remember]:
    """A trainer after STEPS steps of 4 questions by 4 scripted rollouts, and what it recorded.

    `conf` is the file of conf/method that has the method's settings.
    """
    if engine != "one":
        chosen |= {"hardware": engine, "hardware__device": "cpu", "hardware__processes": 2}
        chosen["hardware__collective_timeout_seconds"] = 120
    made: Settings = tiny.settings(directory, conf, train__steps=STEPS, **chosen)
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


def found(directory: Path, name: str, engine: str) -> dict[str, Any]:
    """The metrics of one of RUNS, which only the first rank has, and its weights in the order of their names."""
    run = RUNS[name]
    trainer, recorder = trained(directory, run.method, engine, run.conf, **run.chosen)
    # With sharded weights all ranks enter, and only the first has them whole.
    whole = trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}
    weights = [number for key in sorted(whole) for number in whole[key].flatten().tolist()]
    return {"metrics": recorder.metrics, "weights": weights}


def main() -> None:
    directory, engine = Path(sys.argv[1]), sys.argv[2]
    chosen = {"hardware": engine, "hardware__device": "cpu", "hardware__processes": 2}
    ranks.join(tiny.settings(directory, **chosen).hardware)
    known = {name: found(directory / engine / name, name, engine) for name in RUNS}
    rank = PartialState().process_index
    (directory / f"{engine}-{rank}.json").write_text(json.dumps(known))
    ranks.leave()


if __name__ == "__main__":
    main()
