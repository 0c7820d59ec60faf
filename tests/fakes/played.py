"""Every method for a few steps on one engine, with scripted completions: what `test_engines` compares.

As a program, one rank of a group: `python -m tests.fakes.played DIRECTORY ENGINE [METHOD ... | bfloat16]`; writes
DIRECTORY/ENGINE-RANK.json.
"""

import json
import random
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.state import AcceleratorState

from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.settings import Settings
from hybrid_rl.execution import ranks
from hybrid_rl.models.policy import Policy
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.tools.doctor import checks, trial
from hybrid_rl.training.arguments import build
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.types import Example, Ids, Verdict
from hybrid_rl.verification.grader import Solution
from tests.fakes import tiny

METHODS = sorted(file.stem for file in (config_dir() / "method").glob("*.yaml"))
BY_RANK = ["dapo"]
"""Methods whose groups depend on which questions a rank has."""
_QUESTION_TOKENS = 4  # more: with a hint
QUESTIONS = 12  # a multiple of those of a step: none comes twice in one
SMALL: dict[str, dict[str, Any]] = {
    "relift": {"method__batch_size": 2},
    "bread_relift": {"method__relift__batch_size": 2},
    "sasr_divergence": {"method__signal": "divergence", "method__probe_every": 1},
    "sasr_both": {"method__signal": "both"},
}
MEASURING = ["sasr_divergence", "sasr_both"]
"""SASR by a divergence, which needs a reference model: not with sharded weights."""


def settings(directory: Path, method: str, engine: str) -> Settings:
    """6 steps of 4 questions over 12, so that they come twice; 2 processes but for the engine `one`."""
    chosen: dict[str, Any] = {"hardware__micro_batch": 4}
    if engine != "one":
        chosen |= {"hardware": engine, "hardware__device": "cpu", "hardware__processes": 2}
        chosen["hardware__collective_timeout_seconds"] = 120
    chosen |= SMALL.get(method, {})
    return tiny.settings(
        directory,
        method.partition("_")[0] if method in MEASURING else method,
        train__steps=6,
        **chosen,
    )


def methods_of(engine: str) -> list[str]:
    """All methods, and SASR by its other signals where the engine can measure them."""
    return METHODS if engine.startswith("zero3") else [*METHODS, *MEASURING]


class LastEven(tiny.EvenGrader):
    """Calls a solution correct when its last digit is even, so that a hint leaves both open."""

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        self.calls += len(solutions)
        return [
            Verdict(
                "correct" if tiny.even_share(one.text[-1:]) else "wrong", tiny.even_share(one.text)
            )
            for one in solutions
        ]


class Scripted:
    """Completions that depend on step, prompt and how often it was asked in the step, not on ranks.

    The real generation runs too, for its collectives. A third of the questions fail without a hint.
    """

    def __init__(self, trainer: HybridTrainer) -> None:
        self.trainer, self.real = trainer, trainer.policy.sample
        self.asked: Counter[tuple[int, Ids]] = Counter()

    def __call__(self, request: Request, params: SamplingParams) -> list[Ids]:
        self.real(request, params)
        asked = zip(request.prompts, request.limits_under(params), strict=True)
        return [self.completion(*one) for one in asked]

    def completion(self, prompt: Ids, most: int) -> Ids:
        step = self.trainer.state.global_step
        self.asked[step, prompt] += 1
        draw = random.Random(f"{step}-{prompt}-{self.asked[step, prompt]}")
        hard = prompt[0] % 3 == 0 and len(prompt) == _QUESTION_TOKENS
        digits = [
            symbol for symbol in range(2, 12) if not hard or symbol % 2
        ]  # odd ids: odd digits
        ids = tuple(draw.choices(digits, k=draw.randint(1, most)))
        return ids if len(ids) == most else (*ids, 1)


def play(directory: Path, method: str, engine: str) -> dict[str, Any]:
    """What this rank knows of a run: kinds of updates, state of the method, its weights; on rank 0 metrics too."""
    made = settings(directory / f"{engine}-{method}", method, engine)
    AcceleratorState._reset_state()
    arguments = build(made)
    arguments.save_strategy = "no"
    examples = [_in_lines(example) for example in tiny.examples(QUESTIONS)]
    instance = made.method_class(made.method, {e.id: e for e in examples}, made.seed, 6)
    recorder = tiny.Remember()
    trainer = HybridTrainer(
        args=arguments,
        policy=Policy(tiny.model(), tiny.vocabulary(), made),
        method=instance,
        examples=examples,
        grader=LastEven(),
        settings=made,
        recorder=recorder,
    )
    trainer.attempter.sample = Scripted(trainer)
    kinds: list[str] = []
    choose = instance.next_update

    def watched(step: int, progress: float) -> Any:
        update = choose(step, progress)
        kinds.append(update.kind)
        return update

    instance.next_update = watched
    trainer.train()
    whole = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    weights = zlib.crc32(b"".join(whole[name].numpy().tobytes() for name in sorted(whole or {})))
    return {
        "kinds": kinds,
        "state": json.loads(json.dumps(instance.state_dict())),
        "weights": weights if not trainer.policy.is_sharded else None,
        "metrics": recorder.metrics,
        "decisions": json.loads(json.dumps(recorder.decisions)),
    }


def _in_lines(example: Example) -> Example:
    """With a trace of a line per token, so that a search has places to cut it."""
    assert example.trace is not None
    trace = replace(example.trace, text=example.trace.text.replace(" ", "\n"))
    return replace(example, trace=trace)


def _lead_astray() -> None:
    """After the last step of a trial rank 1 computes with other weights."""
    gathered = trial._gathered

    def other(weights: Any) -> Any:
        for weight in weights:
            weight.data.add_(0.5 * PartialState().process_index)
        return gathered(weights)

    trial._gathered = other


def main() -> None:
    directory, engine = Path(sys.argv[1]), sys.argv[2]
    ranks.join(settings(directory, "grpo", engine).hardware)
    checked, methods = settings(directory, "grpo", engine), sys.argv[3:] or methods_of(engine)
    if methods == ["astray"]:
        methods = []
        _lead_astray()
    elif methods == ["bfloat16"]:
        hardware = checked.hardware.model_copy(update={"precision": "bfloat16"})
        checked, methods = checked.model_copy(update={"hardware": hardware}), []
    found: dict[str, Any] = {"checks": [vars(check) for check in checks.checks(checked)]}
    for method in methods:
        found[method] = play(directory, method, engine)
    rank = PartialState().process_index
    (directory / f"{engine}-{rank}.json").write_text(json.dumps(found))
    ranks.leave()


if __name__ == "__main__":
    main()
