"""A run directory written by hand, for tests of reports: 4 questions, 2 samples each, 4 SFT and 8 RL steps."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hybrid_rl.evaluation import scores
from hybrid_rl.evaluation.scores import Answered, AnsweredQuestion
from hybrid_rl.recording.files import append_json, write_json, write_text
from hybrid_rl.recording.run_directory import Moment, RunDir
from hybrid_rl.types import Outcome


def answered(outcome: Outcome, text: str = "# 7", tokens: int = 10) -> Answered:
    vote = outcome if outcome in ("correct", "wrong") else None
    return Answered(text, outcome, tokens, outcome == "truncated", vote)


def rows(greedy: list[Outcome], samples: list[list[Outcome]]) -> list[AnsweredQuestion]:
    """Questions q0, q1, ..., the first half of level 2, the rest of level 10."""
    return [
        AnsweredQuestion(
            id=f"q{i}",
            level="2" if i < len(greedy) / 2 else "10",
            prompt=f"What is {i}?",
            answer="7",
            greedy=answered(first, f"{first} text of q{i}"),
            samples=tuple(answered(outcome, tokens=16) for outcome in rest),
        )
        for i, (first, rest) in enumerate(zip(greedy, samples, strict=True))
    ]


def write_evaluation(run: RunDir, moment: Moment, name: str, made: list[AnsweredQuestion]) -> None:
    directory = run.evaluation(moment)
    lines = [f"{json.dumps(asdict(row))}\n" for row in made]
    write_text(directory / f"{name}.jsonl", "".join(lines))
    write_json(directory / "summary.json", {"sets": {name: asdict(scores.summarise(made))}})


BEFORE = rows(
    ["wrong", "wrong", "truncated", "unparseable"],
    [["wrong", "wrong"], ["correct", "wrong"], ["wrong", "timeout"], ["wrong", "wrong"]],
)
AFTER = rows(
    ["correct", "correct", "correct", "wrong"],
    [["correct", "correct"], ["correct", "wrong"], ["correct", "correct"], ["wrong", "wrong"]],
)


AXES = (
    *("wall_seconds", "generated_tokens", "trained_tokens", "flops", "verifier_calls"),
    *("traces_used", "trace_tokens_used"),
)


def metrics(step: int, kind: str) -> dict[str, Any]:
    line: dict[str, Any] = {"step": step, "kind": kind, "loss": 2.0 / step, "grad_norm": 1.0}
    if kind == "rl":
        line |= {"reward_mean": step / 16, "correct_mean": step / 24, "truncated_rate": 1 / step}
        line["completion_tokens_mean"] = 40.0 - step
        if step == 12:  # a step in which all groups are uniform
            line |= {"grad_norm": 0.0, "zero_gradient": 1}
    line["update_norm"] = 0.0 if "zero_gradient" in line else 0.5 if kind == "sft" else 0.02 * step
    return line | {
        "wall_seconds": 1.5 * step,
        "generated_tokens": 1000 * max(0, step - 4),
        "trained_tokens": 2000 * step,
        "flops": 3e9 * step,
        "verifier_calls": 10 * step,
        "traces_used": 16,
        "trace_tokens_used": 320,
    }


def write_run(
    path: Path, seed: int = 3, method: str = "sft_then_grpo", finished: bool = True
) -> RunDir:
    """A run; without its end and its evaluations unless `finished`."""
    run = RunDir(path)
    named = {
        "model": "tiny",
        "data": "ledger",
        "reward": "exact",
        "hardware": "cpu",
        "eval": "quick",
    }
    sections: dict[str, Any] = {section: {"name": name} for section, name in named.items()}
    sections["method"] = {"name": method, "group_size": 4}
    write_json(
        run.settings,
        {
            "task": "train",
            "name": "demo",
            "seed": seed,
            "run_dir": str(path),
            "train": {"steps": 12},
            **sections,
        },
    )
    write_json(
        run.environment,
        {
            "git": {"commit": "abc123", "dirty": True},
            "python": "3.11.4",
            "packages": {"torch": "2.13.0"},
            "data": {
                "questions": {"train": 64, "hard": 4},
                "traces": 64,
                "fingerprint": {"train": "1f0a", "hard": "9c3e"},
            },
        },
    )
    run.add_overrides(["hybrid-rl", f"method={method}", "train.steps=12"])
    run.write_status("done" if finished else "running")
    for step in range(1, 13 if finished else 8):
        append_json(run.metrics, metrics(step, "sft" if step <= 4 else "rl"))
    if finished:
        for step, greedy in ((4, 0.25), (8, 0.5), (12, 0.75)):
            line = {"step": step, "set": "dev", "greedy": greedy}
            line |= {"greedy_low": greedy - 0.2, "greedy_high": greedy + 0.2, "avg": greedy / 2}
            append_json(run.progress, line)
        write_evaluation(run, "before", "hard", BEFORE)
        write_evaluation(run, "after", "hard", AFTER)
    return run
