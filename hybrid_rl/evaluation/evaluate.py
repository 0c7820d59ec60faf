"""Evaluates questions: one greedy solution and several sampled ones each, graded, summed up and saved.

Knows neither models nor methods: sampling comes in as a function, and no expert prefix is ever shown.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from accelerate import PartialState

from hybrid_rl.config.settings import Settings
from hybrid_rl.evaluation import scores
from hybrid_rl.evaluation.scores import Answered, AnsweredQuestion, SetSummary
from hybrid_rl.models.sampling import Request, Sample, SamplingParams
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.recording.files import write_json, write_jsonl
from hybrid_rl.types import Example, Ids, Json
from hybrid_rl.verification.grader import Grader, Solution, verifies_early


class Evaluation:
    """One way to evaluate sets of questions: the number of samples, how they are drawn, and who grades them."""

    def __init__(
        self, settings: Settings, grader: Grader, vocabulary: Vocabulary, sample: Sample
    ) -> None:
        """`sample` is called once for the greedy solutions of a set and once for all its samples."""
        self._settings = settings.eval
        self._most = settings.eval.max_completion_tokens or settings.train.max_completion_tokens
        self._seed = settings.seed
        self._grader = grader
        self._vocabulary = vocabulary
        self._sample = sample
        # Of several ranks none knows where in the whole its own rows are.
        self._early = verifies_early(settings) and PartialState().num_processes == 1

    def of(
        self, sets: Mapping[str, Sequence[Example]], out: Path | None, samples: int
    ) -> dict[str, SetSummary]:
        """A summary of each set. Writes <set>.jsonl and summary.json into `out`; None writes nothing.

        `samples` is the number of sampled solutions per question, beside the greedy one.
        """
        for name, examples in sets.items():
            if not examples:
                raise ValueError(f"evaluation set {name} has no questions")
        answered = ((name, self._answered(one, samples)) for name, one in sets.items())
        drawing = {"temperature", "top_p", "max_completion_tokens", "limit"}
        how_evaluated = self._settings.model_dump(include=drawing)
        how_evaluated |= {
            "samples": samples,
            "max_completion_tokens": self._most,
            "seed": self._seed,
        }
        return grade_and_save(answered, self._grader, how_evaluated, out)

    def _answered(self, questions: Sequence[Example], count: int) -> list[AnsweredQuestion]:
        """The questions, `eval.limit` of them, with their solutions, which are not graded yet."""
        examples = _chosen(questions, self._settings.limit)
        greedy = self._drawn(examples, SamplingParams(0.0, 1.0, 0, self._most))
        params = SamplingParams(self._settings.temperature, self._settings.top_p, 0, self._most)
        repeated = [example for example in examples for _ in range(count)]
        drawn = self._drawn(repeated, params) if repeated else []
        return [
            AnsweredQuestion(
                example.id,
                example.level,
                self._vocabulary.decode(example.prompt_ids),
                example.answer,
                greedy[index],
                tuple(drawn[index * count : (index + 1) * count]),
                example.columns,
            )
            for index, example in enumerate(examples)
        ]

    def _drawn(self, examples: Sequence[Example], params: SamplingParams) -> list[Answered]:
        """One solution per example."""

        def finished(index: int, ids: Ids) -> None:
            answered = self._ungraded(ids)
            asked = examples[index]
            self._grader.verify_early(_solution(asked.answer, answered, asked.columns))

        prompts = [example.prompt_ids for example in examples]
        request = Request(prompts, finished=finished if self._early else None)
        return [self._ungraded(ids) for ids in self._sample(request, params)]

    def _ungraded(self, ids: Ids) -> Answered:
        return Answered(
            completion=self._vocabulary.solution_text(ids),
            outcome="unparseable",
            tokens=len(ids),
            truncated=not self._vocabulary.has_ended(ids),
            vote=None,
        )


def _solution(answer: str, answered: Answered, columns: Mapping[str, Json]) -> Solution:
    return Solution(answer, answered.completion, answered.truncated, columns)


def _chosen(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """The first `limit` of a shuffle that questions alone decide, in their own order: the same for every run."""
    if limit is None or limit >= len(examples):
        return list(examples)
    order = sorted(
        range(len(examples)), key=lambda i: hashlib.sha256(examples[i].id.encode()).digest()
    )
    return [examples[index] for index in sorted(order[:limit])]


def grade_and_save(
    answered: Iterable[tuple[str, Sequence[AnsweredQuestion]]],
    grader: Grader,
    how_evaluated: Mapping[str, Any],
    out: Path | None,
) -> dict[str, SetSummary]:
    """The summaries of named sets, graded one after the other; `out` is as in `Evaluation.of`.

    `how_evaluated` goes into summary.json; its `seed` is that of the intervals' bootstrap.
    """
    found = {}
    for name, rows in answered:
        graded = _graded(rows, grader)
        found[name] = scores.summarise(graded, how_evaluated["seed"])
        if out is not None:
            write_jsonl(out / f"{name}.jsonl", [row.line() for row in graded])
    if out is not None:
        summaries = {name: asdict(summary) for name, summary in found.items()}
        write_json(out / "summary.json", {**how_evaluated, "sets": summaries})
    return found


def _graded(rows: Sequence[AnsweredQuestion], grader: Grader) -> list[AnsweredQuestion]:
    """The rows with fresh outcomes and votes, from one call of the grader."""
    solutions = [
        _solution(row.answer, answered, row.columns)
        for row in rows
        for answered in (row.greedy, *row.samples)
    ]
    outcomes = iter(grader.outcomes(solutions))

    def judge(row: AnsweredQuestion, answered: Answered) -> Answered:
        outcome = next(outcomes)
        vote = "correct" if outcome == "correct" else None
        if outcome == "wrong":
            vote = f"wrong: {grader.vote(row.answer, answered.completion)}"
        return replace(answered, outcome=outcome, vote=vote)

    return [
        replace(
            row,
            greedy=judge(row, row.greedy),
            samples=tuple(judge(row, sample) for sample in row.samples),
        )
        for row in rows
    ]
