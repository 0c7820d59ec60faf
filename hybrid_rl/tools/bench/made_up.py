"""Files of any size, made up: a run directory as training leaves it behind, and data sets of questions with traces.

They have the lines of real ones. Most of a line is that of a thousand lines before, since to make up each one anew
would take longer than what is measured on them.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from hybrid_rl.config.settings import Settings
from hybrid_rl.data.generators import ledger
from hybrid_rl.evaluation import scores
from hybrid_rl.evaluation.scores import Answered, AnsweredQuestion
from hybrid_rl.recording.budget import AXES
from hybrid_rl.recording.files import write_json, write_jsonl, write_text
from hybrid_rl.recording.run_directory import Moment, RunDir
from hybrid_rl.recording.step_lines import decision_line
from hybrid_rl.types import Outcome, Result, Update

_DIFFERENT = 1000
_EVALUATED, _SAMPLES = 64, 4
_GROUPS, _GROUP_SIZE = 4, 16
_WORDS = ("apples", "dollars", "each", "hours", "in", "left", "makes", "of", "pages", "so", "week")
_MOMENTS: tuple[Moment, ...] = ("before", "after")


def write_run(path: Path, settings: Settings, steps: int, rollouts: int) -> None:
    """Writes a run of so many optimizer steps that recorded so many rollouts, and evaluated 64 questions twice.

    Each step had four groups of sixteen rollouts. Those that were recorded lie in files of as many.
    """
    run, rng = RunDir(path), Random(0)
    write_json(run.settings, settings.model_dump(mode="json"))
    run.write_status("done")
    _write_steps(run.metrics, steps, lambda: _metrics(rng))
    _write_steps(run.decisions, steps, lambda: _decisions(rng))
    rows = _rollouts(rng)
    for step, first in enumerate(range(0, rollouts, _GROUPS * _GROUP_SIZE), start=1):
        count = min(_GROUPS * _GROUP_SIZE, rollouts - first)
        write_jsonl(run.rollouts(step), ({"step": step, **row} for row in islice(rows, count)))
    for moment in _MOMENTS:
        answered = [_answered(number, rng) for number in range(_EVALUATED)]
        directory = run.evaluation(moment)
        write_jsonl(directory / "test.jsonl", (one.line() for one in answered))
        sets = {"test": asdict(scores.summarise(answered))}
        write_json(directory / "summary.json", {"sets": sets})


def write_word_problems(directory: Path, questions: int) -> None:
    """Writes so many different questions like GSM8K's as train.jsonl, and 64 others as test.jsonl."""
    rng = Random(0)
    texts = [(_words(30, rng), _words(60, rng), rng.randrange(1000)) for _ in range(_DIFFERENT)]

    def row(number: int) -> dict[str, str]:
        question, solution, answer = texts[number % _DIFFERENT]
        worked = f"{solution} <<{number}+1={number + 1}>> #### {answer}"
        return {"question": f"{number} {question}?", "answer": worked}

    write_jsonl(directory / "train.jsonl", (row(number) for number in range(questions)))
    write_jsonl(directory / "test.jsonl", (row(questions + n) for n in range(_EVALUATED)))


def write_ledger(directory: Path, questions: int) -> None:
    """Writes so many questions of the embedded task as train.jsonl, and 64 others as test.jsonl."""
    made = ledger.rows(questions + _EVALUATED, 1, (12, 12), (10, 10), "mixed")
    for name, part in (("train", made[:questions]), ("test", made[questions:])):
        write_jsonl(directory / f"{name}.jsonl", map(asdict, part))


def _write_steps(path: Path, steps: int, make: Callable[[], dict[str, Any]]) -> None:
    """Writes a line for each step, of what `make` makes up for a step."""
    ends = [json.dumps(make())[1:] for _ in range(min(steps, _DIFFERENT))]
    lines = (f'{{"step": {step}, {ends[step % len(ends)]}\n' for step in range(1, steps + 1))
    write_text(path, "".join(lines))


def _metrics(rng: Random) -> dict[str, Any]:
    correct = rng.random()
    drawn = ("loss", "grad_norm", "learning_rate", "update_norm", "zero_advantage_groups")
    return {
        "kind": "rl",
        **{name: rng.random() for name in (*drawn, "truncated_rate", "entropy")},
        "reward_mean": correct,
        "correct_mean": correct,
        "completion_tokens_mean": 200 * rng.random(),
        "outcome/correct": correct,
        "outcome/wrong": 1 - correct,
        **{axis: rng.randrange(10**6) for axis in AXES},
    }


def _decisions(rng: Random) -> dict[str, Any]:
    groups = []
    for _ in range(_GROUPS):
        right = rng.randint(0, _GROUP_SIZE)
        groups.append(
            Result(
                example_id=f"{rng.randrange(1000):012x}",
                correct=right,
                size=_GROUP_SIZE,
                outcomes={"correct": right, "wrong": _GROUP_SIZE - right},
                uniform=right in (0, _GROUP_SIZE),
            )
        )
    line = decision_line(0, Update("rl"), groups)
    return {key: value for key, value in line.items() if key != "step"}


def _rollouts(rng: Random) -> Iterator[dict[str, Any]]:
    """Yields rollouts without end, no two of one text."""
    texts = [_words(60, rng) for _ in range(_DIFFERENT)]
    number = 0
    while True:
        answer, right = str(rng.randrange(100)), rng.random() < 0.5
        group = number // _GROUP_SIZE
        yield {
            "example_id": f"{group:012x}",
            "group": group % _GROUPS,
            "prompt": texts[group % _DIFFERENT],
            "prefix": "",
            "completion": f"{number} {texts[number % _DIFFERENT]} #### {answer}",
            "answer": answer,
            "outcome": "correct" if right else "wrong",
            "reward": float(right),
            "trained": True,
            "advantage": rng.random(),
        }
        number += 1


def _answered(number: int, rng: Random) -> AnsweredQuestion:
    greedy, *samples = (_solution(rng) for _ in range(1 + _SAMPLES))
    return AnsweredQuestion(f"{number:012x}", None, _words(30, rng), "7", greedy, tuple(samples))


def _solution(rng: Random) -> Answered:
    ends: tuple[Outcome, ...] = ("correct", "wrong")
    outcome = rng.choice(ends)
    return Answered(f"{_words(60, rng)} #### 7", outcome, 90, False, outcome)


def _words(count: int, rng: Random) -> str:
    """So many words and numbers in turn."""
    return " ".join(
        rng.choice(_WORDS) if place % 3 else str(rng.randrange(100)) for place in range(count)
    )
