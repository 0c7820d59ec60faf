"""Evaluates questions: one greedy solution and several sampled ones each, graded, summed up and saved.

Knows neither models nor methods: sampling comes in as a function, and no expert prefix is ever shown. `rescore` grades
saved solutions again, without generating.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from hybrid_rl.config.eval import EvalSettings
from hybrid_rl.evaluation import scores
from hybrid_rl.evaluation.scores import Answered, AnsweredQuestion
from hybrid_rl.evaluation.scores import SetSummary as SetSummary
from hybrid_rl.models.sampling import Request, Sample, SamplingParams, text_of
from hybrid_rl.recording.files import write_json, write_text
from hybrid_rl.types import Example, Ids, Verdict
from hybrid_rl.verification.grader import Grader, Solution

Progress = Callable[[str], None]
"""Told in words what comes next."""


def evaluate_sets(
    sets: Mapping[str, Sequence[Example]],
    sample: Sample,
    grader: Grader,
    decode: Callable[[Ids], str],
    eos_ids: Sequence[int],
    settings: EvalSettings,
    max_completion_tokens: int,
    seed: int,
    out: Path | None,
    progress: Progress | None = None,
    verify_early: Callable[[Solution], None] | None = None,
) -> dict[str, SetSummary]:
    """Per set. Writes <set>.jsonl and summary.json into `out`; None writes nothing.

    `sample` is called once for the greedy solutions of a set and once for all its samples. `seed` is that of the
    intervals' bootstrap; solutions take their randomness from `sample`. `verify_early` is told of solutions that
    have ended while others are still being drawn.
    """
    tell = progress or (lambda _: None)
    found = {}
    for name, all_examples in sets.items():
        if not all_examples:
            raise ValueError(f"evaluation set {name} has no questions")
        examples = _chosen(all_examples, settings.limit)
        tell(f"{name}: {len(examples)} questions, greedy")
        prompts = [example.prompt_ids for example in examples]

        def finished(index: int, ids: Ids, each: int = 1, of: Sequence[Example] = examples) -> None:
            answered = _ungraded(ids, decode, eos_ids)
            solution = Solution(of[index // each].answer, answered.completion, answered.truncated)
            assert verify_early is not None
            verify_early(solution)

        listener = finished if verify_early else None
        greedy = sample(
            Request(prompts, finished=listener), SamplingParams(0.0, 1.0, 0, max_completion_tokens)
        )
        drawn: list[Ids] = []
        if settings.samples:
            tell(f"{name}: {len(examples)} questions, {settings.samples} samples each")
            listener = partial(finished, each=settings.samples) if verify_early else None
            repeated = [ids for ids in prompts for _ in range(settings.samples)]
            params = SamplingParams(settings.temperature, settings.top_p, 0, max_completion_tokens)
            drawn = sample(Request(repeated, finished=listener), params)
        rows = [
            AnsweredQuestion(
                example.id,
                example.level,
                decode(example.prompt_ids),
                example.answer,
                _ungraded(greedy[index], decode, eos_ids),
                tuple(
                    _ungraded(ids, decode, eos_ids)
                    for ids in drawn[index * settings.samples : (index + 1) * settings.samples]
                ),
            )
            for index, example in enumerate(examples)
        ]
        tell(f"{name}: grading")
        found[name] = grade_and_save(name, rows, grader, seed, out)
    how_evaluated = {
        "samples": settings.samples,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_completion_tokens": max_completion_tokens,
        "limit": settings.limit,
        "seed": seed,
    }
    write_summary(out, how_evaluated, found)
    return found


def _chosen(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """The first `limit` of a shuffle that questions alone decide, in their own order: the same for every run."""
    if limit is None or limit >= len(examples):
        return list(examples)
    order = sorted(
        range(len(examples)), key=lambda i: hashlib.sha256(examples[i].id.encode()).digest()
    )
    return [examples[index] for index in sorted(order[:limit])]


def _ungraded(ids: Ids, decode: Callable[[Ids], str], eos_ids: Sequence[int]) -> Answered:
    return Answered(
        completion=text_of(ids, decode, eos_ids),
        outcome="unparseable",
        tokens=len(ids),
        truncated=ids[-1] not in eos_ids,
        vote=None,
    )


def grade_and_save(
    name: str, rows: Sequence[AnsweredQuestion], grader: Grader, seed: int, out: Path | None
) -> SetSummary:
    graded = _graded(rows, grader)
    if out is not None:
        lines = [f"{json.dumps(asdict(row), ensure_ascii=False)}\n" for row in graded]
        write_text(out / f"{name}.jsonl", "".join(lines))
    return scores.summarise(graded, seed)


def _graded(rows: Sequence[AnsweredQuestion], grader: Grader) -> list[AnsweredQuestion]:
    """The rows with fresh outcomes and votes, from one call of the grader."""
    solutions = [
        Solution(row.answer, answered.completion, answered.truncated)
        for row in rows
        for answered in (row.greedy, *row.samples)
    ]
    verdicts = iter(grader.grade(solutions))

    def judge(row: AnsweredQuestion, answered: Answered) -> Answered:
        verdict = next(verdicts)
        vote = _vote(row.answer, answered.completion, verdict, grader)
        return replace(answered, outcome=verdict.outcome, vote=vote)

    return [
        replace(
            row,
            greedy=judge(row, row.greedy),
            samples=tuple(judge(row, sample) for sample in row.samples),
        )
        for row in rows
    ]


def _vote(answer: str, text: str, verdict: Verdict, grader: Grader) -> str | None:
    """What a solution counts for in the majority; all that are correct count for the same."""
    if verdict.correct:
        return "correct"
    if verdict.outcome != "wrong":
        return None
    return f"wrong: {grader.vote(answer, text)}"


def write_summary(
    out: Path | None, how_evaluated: Mapping[str, Any], found: Mapping[str, SetSummary]
) -> None:
    if out is not None:
        sets = {name: summary.to_json() for name, summary in found.items()}
        write_json(out / "summary.json", {**how_evaluated, "sets": sets})
