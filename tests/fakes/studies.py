"""Studies written by hand, for tests of their comparison: every score is chosen, none is trained."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hybrid_rl.methods.base import Note
from hybrid_rl.recording.files import append_json, write_json, write_text
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.types import Outcome
from tests.fakes import recorded

NOTES = {
    "p": Note("probability of SFT", "share"),
    "buffer": Note("questions in the buffer", "mean"),
    "prefix_share": Note("share of the expert's trace given (anchor)", "share", of="group"),
}


def write_study(
    path: Path,
    arms: Mapping[str, float],
    seeds: Sequence[int] = (0, 1, 2),
    questions: int = 40,
    target: float = 0.5,
) -> Path:
    """Arm -> chance of a correct answer. The first arm is the reference; dev goes up to that chance in three steps."""
    for index, (arm, chance) in enumerate(arms.items()):
        for seed in seeds:
            chooser = random.Random(f"{arm}-{seed}")
            write_run(path / arm / f"seed_{seed}", seed, arm, chance, questions, chooser, index)
    definition = {
        "name": "made",
        "arms": {arm: [f"method={arm}"] for arm in arms},
        "seeds": list(seeds),
        "reference": next(iter(arms)),
        "target": {"set": "dev", "measure": "greedy", "value": target},
        "common": [],
        "extra": [],
    }
    write_json(path / "study.json", definition)
    return path


def write_run(
    path: Path,
    seed: int,
    method: str,
    chance: float,
    questions: int,
    chooser: random.Random,
    index: int = 0,
) -> RunDir:
    run = recorded.write_run(path, seed, method)

    def verdict() -> Outcome:
        return "correct" if chooser.random() < chance else "wrong"

    made = recorded.rows(
        [verdict() for _ in range(questions)], [[verdict(), verdict()] for _ in range(questions)]
    )
    recorded.write_evaluation(run, "after", "hard", made)
    # The base model, the same for all: it solves the first question, and one sample in two of the second.
    greedy: list[Outcome] = ["correct", *["wrong"] * (questions - 1)]  # type: ignore[list-item]  # literals
    half: list[Outcome] = ["correct", "wrong"]
    samples: list[list[Outcome]] = [["wrong", "wrong"] for _ in range(questions)]
    samples[1] = half
    recorded.write_evaluation(run, "before", "hard", recorded.rows(greedy, samples))
    run.progress.unlink()
    for step, share in ((4, 0.4), (8, 0.8), (12, 1.0)):
        axes = {k: v for k, v in recorded.metrics(step, "rl").items() if k in recorded.AXES}
        axes["flops"] *= index + 1
        line = {"step": step, "set": "dev", "greedy": round(share * chance, 4), **axes}
        append_json(run.progress, line)
    write_decisions(run)
    return run


def write_decisions(run: RunDir) -> None:
    """Half of the groups begin behind a third of the trace; SFT at every fourth step."""
    lines = []
    for step in range(1, 13):
        note = {"prefix_share": 0.33, "anchor": 1, "episodes": 3, "shows_answer": False}
        group: dict[str, Any] = {"example_id": "q", "correct": 1, "size": 2, "trained": True}
        groups = [{**group, "note": {}}, {**group, "note": note}]
        kind = "sft" if step % 4 == 0 else "rl"
        told = {"p": 1 / step, "buffer": step}
        lines.append(
            {"step": step, "kind": kind, "note": told, "groups": groups if kind == "rl" else []}
        )
    write_text(run.decisions, "".join(f"{json.dumps(line)}\n" for line in lines))
    write_json(run.notes, {name: asdict(note) for name, note in NOTES.items()})


def write_rollouts(run: RunDir, steps: int, groups: int, size: int, text: str = "# 7") -> None:
    """`groups` questions a step, `size` rollouts each; every second question has a prefix."""
    for step in range(1, steps + 1):
        lines = []
        for group in range(groups):
            for index in range(size):
                correct = index % 3 == 0
                row = {
                    "step": step,
                    "example_id": f"q{group}",
                    "group": group,
                    "prompt": f"<user> What is {group}? <assistant>",
                    "prefix": "the first line" if group % 2 else "",
                    "completion": f"{text} of {step}/{group}/{index}",
                    "outcome": "correct" if correct else "wrong",
                    "reward": float(correct),
                    "trained": True,
                    "advantage": 0.5 if correct else -0.25,
                }
                lines.append(f"{json.dumps(row)}\n")
        write_text(run.rollouts(step), "".join(lines))


def change_settings(run: RunDir, section: str, **values: Any) -> None:
    settings = json.loads(run.settings.read_text())
    settings[section] = {**settings.get(section, {}), **values}
    write_json(run.settings, settings)
