"""Scores sum up the graded solutions of one set of questions: accuracies, their intervals, and what went wrong.

Everything is computed from rows as they are saved, so that grading again, reporting and comparing give the same
numbers. It loads no torch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.recording.files import fitting, read_json, read_jsonl
from hybrid_rl.types import Json, Outcome

Measure = Literal["greedy", "avg", "maj", "pass"]
_CUT_TOLD = 0.2  # of greedy solutions; where more are cut, an accuracy says little about the model


@dataclass(frozen=True)
class Answered:
    """One graded solution."""

    completion: str
    """The text, without the token that ended it."""
    outcome: Outcome
    tokens: int
    """The length of the completion, its end-of-sequence token included."""
    truncated: bool
    """Whether it was cut at the length limit, whatever the verifier made of it."""
    vote: str | None
    """What it counts for in the majority; None is no vote. All correct solutions vote alike."""

    @property
    def correct(self) -> bool:
        return self.outcome == "correct"


@dataclass(frozen=True)
class AnsweredQuestion:
    """One question and its solutions: a line of eval/<moment>/<set>.jsonl."""

    id: str
    level: str | None
    prompt: str
    answer: str
    greedy: Answered
    samples: tuple[Answered, ...]
    columns: Mapping[str, Json] = field(default_factory=dict)
    """What the verifier asks for beside the answer, as in `Example.columns`, so that it can be asked again."""

    @property
    def correct_samples(self) -> int:
        return sum(sample.correct for sample in self.samples)

    @property
    def accuracy(self) -> float:
        """Share of correct samples; greedy, 0 or 1, where nothing was sampled."""
        if not self.samples:
            return float(self.greedy.correct)
        return self.correct_samples / len(self.samples)

    @property
    def majority_correct(self) -> bool:
        """Whether most votes are for the gold answer. In a tie the answer that was sampled first wins."""
        votes = Counter(sample.vote for sample in self.samples if sample.vote is not None)
        if not votes:
            return False
        # Among equals a Counter keeps the order of first appearance.
        winner = votes.most_common(1)[0][0]
        return any(sample.correct and sample.vote == winner for sample in self.samples)

    def line(self) -> dict[str, Json]:
        """The line of the file, on which columns stand only where there are any."""
        line = asdict(self)
        return line if self.columns else {key: one for key, one in line.items() if key != "columns"}

    def score(self, measure: Measure) -> float:
        """The score by one measure, in [0, 1]."""
        match measure:
            case "greedy":
                return float(self.greedy.correct)
            case "avg":
                return self.accuracy
            case "maj":
                return float(self.majority_correct)
            case "pass":  # pass@k of all k samples
                return float(self.correct_samples > 0)


@dataclass(frozen=True)
class LevelSummary:
    """The accuracies on the questions of one difficulty level."""

    questions: int
    greedy: Interval
    avg: Interval | None


@dataclass(frozen=True)
class SetSummary:
    """The summary of one set of questions. What needs samples is None, or empty, where none were drawn."""

    questions: int
    samples: int
    """The number of samples per question."""
    greedy: Interval
    avg: Interval | None
    """avg@k, the share of correct samples."""
    maj: Interval | None
    """maj@k, the share of questions whose commonest answer is correct."""
    pass_at: dict[int, Interval]
    """Unbiased pass@k, by k."""
    truncated_rate: float
    """A share of all solutions, greedy and sampled; so are the next two."""
    unparseable_rate: float
    timeout_rate: float
    completion_tokens_mean: float
    """The mean length over all solutions, greedy and sampled."""
    by_level: dict[str, LevelSummary]
    greedy_truncated_rate: float | None = None
    """The share of the greedy solutions that were cut at the length limit; None in summaries of older versions."""

    def flat(self) -> dict[str, float]:
        """The numbers by name, for eval/progress.jsonl and for trackers: greedy, greedy_low, greedy_high, avg, ..."""
        named = {"greedy": self.greedy, "avg": self.avg, "maj": self.maj}
        named |= {f"pass_at_{k}": interval for k, interval in self.pass_at.items()}
        line: dict[str, float] = {"questions": self.questions}
        for name, interval in named.items():
            if interval is not None:
                line |= {name: interval.value, f"{name}_low": interval.low}
                line[f"{name}_high"] = interval.high
        rates = ("truncated_rate", "unparseable_rate", "timeout_rate", "completion_tokens_mean")
        return line | {name: getattr(self, name) for name in rates}


def summarise(rows: Sequence[AnsweredQuestion], seed: int = 0) -> SetSummary:
    """The summary of these rows. Intervals are over questions: Wilson's for greedy, else a bootstrap with `seed`."""
    sampled = len(rows[0].samples)
    if any(len(row.samples) != sampled for row in rows):
        raise ValueError("every question needs equally many samples")
    levels = sorted({row.level for row in rows if row.level is not None}, key=level_order)
    by_level = {level: [row for row in rows if row.level == level] for level in levels}
    answers = [answer for row in rows for answer in (row.greedy, *row.samples)]
    outcomes = Counter(answer.outcome for answer in answers)
    return SetSummary(
        questions=len(rows),
        samples=sampled,
        greedy=_greedy(rows),
        avg=_sampled(rows, "avg", seed),
        maj=_sampled(rows, "maj", seed),
        pass_at={
            k: statistics.bootstrap_mean(
                [statistics.pass_at_k(row.correct_samples, sampled, k) for row in rows], seed
            )
            for k in ks(sampled)
        },
        truncated_rate=sum(answer.truncated for answer in answers) / len(answers),
        unparseable_rate=outcomes["unparseable"] / len(answers),
        timeout_rate=outcomes["timeout"] / len(answers),
        completion_tokens_mean=sum(answer.tokens for answer in answers) / len(answers),
        by_level={
            level: LevelSummary(len(found), _greedy(found), _sampled(found, "avg", seed))
            for level, found in by_level.items()
        },
        greedy_truncated_rate=sum(row.greedy.truncated for row in rows) / len(rows),
    )


def ks(samples: int) -> list[int]:
    """The k of pass@k: powers of two up to `samples`, and `samples` itself."""
    powers = [2**i for i in range(samples.bit_length()) if 2**i <= samples]
    return powers if samples in powers or samples == 0 else [*powers, samples]


def read_rows(path: Path) -> list[AnsweredQuestion]:
    """The rows of an eval/<moment>/<set>.jsonl."""
    rows: list[AnsweredQuestion] = fitting(path, read_jsonl(path), list[AnsweredQuestion])
    return rows


def read_summaries(directory: Path) -> dict[str, SetSummary]:
    """The summaries by set of an eval/<moment> directory; empty where nothing was evaluated."""
    path = directory / "summary.json"
    if not path.exists():
        return {}
    sets: dict[str, SetSummary] = fitting(path, read_json(path).get("sets"), dict[str, SetSummary])
    return sets


def _greedy(rows: Sequence[AnsweredQuestion]) -> Interval:
    return statistics.wilson(sum(row.greedy.correct for row in rows), len(rows))


def _sampled(rows: Sequence[AnsweredQuestion], measure: Measure, seed: int) -> Interval | None:
    if not rows[0].samples:
        return None
    return statistics.bootstrap_mean([row.score(measure) for row in rows], seed)


def level_order(level: str) -> tuple[bool, float, str]:
    """A key that sorts levels: numbers by size, then words by letter."""
    try:
        return False, float(level), level
    except ValueError:
        return True, 0.0, level


def in_words(summaries: Mapping[str, SetSummary], most: int | None = None) -> str:
    """The greedy accuracy of every set in words; `most`: the most tokens of a solution, where they are known."""
    at = "the length limit" if most is None else f"{most:,} tokens"
    found = []
    for name, summary in summaries.items():
        cut = summary.greedy_truncated_rate or 0.0
        told = f" ({100 * cut:.0f} % cut at {at})" if cut > _CUT_TOLD else ""
        found.append(f"{name} {summary.greedy.value:.3f}{told}")
    return ", ".join(found)
