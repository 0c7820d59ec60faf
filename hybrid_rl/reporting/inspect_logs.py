"""The evaluations of runs as `.eval` logs of Inspect, which `inspect view` opens and `read_eval_log` reads.

A set that was answered greedily and by samples makes two logs, since a log has one way of generating: the greedy one
has one epoch, the other as many as there were samples. Accuracies in a log's results are those of our summaries, with
the bounds of their intervals; the verdict on each solution is the score of its sample, C or I.

It needs the extra `inspect`, so it is imported where it is asked for alone.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalResults,
    EvalRevision,
    EvalSample,
    EvalScore,
    EvalSpec,
    EvalStats,
    write_eval_log,
)
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.scorer import CORRECT, INCORRECT, Score

from hybrid_rl.evaluation.scores import Answered, AnsweredQuestion, SetSummary
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.recording.run_directory import Moment
from hybrid_rl.reporting.record import RunRecord


@dataclass(frozen=True)
class _Evaluation:
    """One set of questions, answered in one way at one moment of a run."""

    record: RunRecord
    moment: Moment
    name: str
    summary: SetSummary
    sampled: bool

    @property
    def epochs(self) -> int:
        return self.summary.samples if self.sampled else 1

    @property
    def measure(self) -> str:
        return f"avg@{self.summary.samples}" if self.sampled else "greedy"

    @property
    def model(self) -> str:
        seed = self.record.settings.get("seed", 0)
        return f"hybrid-rl/{self.record.name}-seed{seed}-{self.moment}"

    @property
    def scorer(self) -> str:
        return str(self.record.settings.get("reward", {}).get("verifier", "verifier"))

    @property
    def created(self) -> str:
        """The time at which it was saved, in UTC."""
        summary = self.record.directory.evaluation(self.moment) / "summary.json"
        moment = datetime.fromtimestamp(summary.stat().st_mtime, UTC)
        return moment.isoformat(timespec="seconds")

    @property
    def id(self) -> str:
        """An id that is the same whenever it is exported from the same place, so that a log is replaced by its like."""
        place = self.record.directory.path.resolve()
        text = f"{place} {self.moment} {self.name} {self.sampled}"
        return hashlib.sha256(text.encode()).hexdigest()[:22]


def write(record: RunRecord, out: Path) -> list[Path]:
    """Writes a log for each evaluation of a run into a directory; returns their paths. None was made: none is written.

    Raises DamagedFileError for saved solutions that are not as they were written.
    """
    written = []
    for evaluation in _evaluations(record):
        out.mkdir(parents=True, exist_ok=True)
        began = evaluation.created.replace(":", "-")
        path = out / f"{began}_{evaluation.name}_{evaluation.id}.eval"
        write_eval_log(_log(evaluation), str(path))
        written.append(path)
    return written


def _evaluations(record: RunRecord) -> Iterator[_Evaluation]:
    moments: dict[Moment, Mapping[str, SetSummary]] = {
        "before": record.before,
        "after": record.after,
        "best": record.best,
    }
    for moment, sets in moments.items():
        for name, summary in sets.items():
            yield _Evaluation(record, moment, name, summary, sampled=False)
            if summary.samples:
                yield _Evaluation(record, moment, name, summary, sampled=True)


def _log(evaluation: _Evaluation) -> EvalLog:
    rows = evaluation.record.rows(evaluation.moment, evaluation.name)
    samples = [sample for row in rows for sample in _samples(evaluation, row)]
    summary = evaluation.summary
    solutions = summary.questions * evaluation.epochs
    score = EvalScore(
        name=evaluation.scorer,
        scorer=evaluation.scorer,
        reducer="mean" if evaluation.sampled else None,
        scored_samples=summary.questions,
        unscored_samples=0,
        metrics={one.name: one for one in _metrics(evaluation)},
    )
    return EvalLog(
        status="success",
        eval=_spec(evaluation, [row.id for row in rows]),
        results=EvalResults(total_samples=solutions, completed_samples=solutions, scores=[score]),
        stats=EvalStats(started_at=evaluation.created, completed_at=evaluation.created),
        samples=samples,
    )


def _spec(evaluation: _Evaluation, ids: list[str]) -> EvalSpec:
    record, settings = evaluation.record, evaluation.record.settings
    how, train = settings.get("eval", {}), settings.get("train", {})
    most = how.get("max_completion_tokens") or train.get("max_completion_tokens")
    git = record.environment.get("git")
    drawn = {"temperature": how.get("temperature"), "top_p": how.get("top_p")}
    return EvalSpec(
        eval_id=evaluation.id,
        run_id=evaluation.id,
        task_id=evaluation.id,
        created=evaluation.created,
        task=evaluation.name,
        task_display_name=f"{evaluation.name}, {evaluation.measure}",
        tags=[evaluation.moment, evaluation.measure],
        dataset=EvalDataset(name=evaluation.name, samples=len(ids), sample_ids=ids, shuffled=False),
        model=evaluation.model,
        model_generate_config=GenerateConfig(
            max_tokens=most, **(drawn if evaluation.sampled else {"temperature": 0.0})
        ),
        config=EvalConfig(
            epochs=evaluation.epochs, epochs_reducer=["mean"] if evaluation.sampled else None
        ),
        revision=git
        and EvalRevision(type="git", origin="", commit=git["commit"], dirty=git["dirty"]),
        packages=dict(record.environment.get("packages", {})),
        metadata={
            "run": record.name,
            "seed": settings.get("seed", 0),
            "moment": evaluation.moment,
            "method": record.method,
            "fingerprint": record.data.get("fingerprint", {}).get(evaluation.name),
            **{key: settings.get(key, {}).get("name") for key in ("model", "data", "reward")},
        },
    )


def _metrics(evaluation: _Evaluation) -> Iterator[EvalMetric]:
    """Yields the accuracies with both bounds of each, and the shares of solutions that went wrong."""
    summary = evaluation.summary
    found: dict[str, Interval | None] = {"accuracy": summary.greedy}
    if evaluation.sampled:
        found = {"accuracy": summary.avg, f"maj@{summary.samples}": summary.maj}
        # pass@1 is the accuracy.
        found |= {f"pass@{k}": interval for k, interval in summary.pass_at.items() if k > 1}
    for name, interval in found.items():
        if interval is not None:
            yield EvalMetric(name=name, value=interval.value)
            yield EvalMetric(name=f"{name}_low", value=interval.low)
            yield EvalMetric(name=f"{name}_high", value=interval.high)


def _samples(evaluation: _Evaluation, row: AnsweredQuestion) -> Iterator[EvalSample]:
    solutions = row.samples if evaluation.sampled else (row.greedy,)
    for epoch, answered in enumerate(solutions, 1):
        yield EvalSample(
            id=row.id,
            epoch=epoch,
            uuid=f"{evaluation.id}-{row.id}-{epoch}",
            input=row.prompt,
            target=row.answer,
            messages=[
                ChatMessageUser(content=row.prompt),
                ChatMessageAssistant(content=answered.completion),
            ],
            output=_output(evaluation.model, answered),
            scores={evaluation.scorer: _score(row, answered)},
            metadata=_beside(row),
        )


def _output(model: str, answered: Answered) -> ModelOutput:
    output = ModelOutput.from_content(
        model, answered.completion, "max_tokens" if answered.truncated else "stop"
    )
    output.usage = ModelUsage(output_tokens=answered.tokens, total_tokens=answered.tokens)
    return output


def _score(row: AnsweredQuestion, answered: Answered) -> Score:
    """The verdict. A correct solution has reached the gold answer, in whatever form; a wrong one votes for its own."""
    voted = None if answered.vote is None else answered.vote.removeprefix("wrong: ")
    return Score(
        value=CORRECT if answered.correct else INCORRECT,
        answer=row.answer if answered.correct else voted,
        explanation=answered.outcome,
        metadata={"outcome": answered.outcome, "tokens": answered.tokens},
    )


def _beside(row: AnsweredQuestion) -> dict[str, Any]:
    """What the question has beside its text and its answer."""
    level = {} if row.level is None else {"level": row.level}
    return {**level, **row.columns}
