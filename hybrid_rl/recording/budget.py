"""What a run has spent so far, on every axis that a budget can be drawn against. This file is pure.

FLOPs are an estimate by the usual rule, N parameters: 2N per token read or generated in a forward pass, 4N more where a
backward pass follows (BREAD and arXiv 2604.23747 count likewise). Prompt tokens count, padding does not.
It is the cost of the plain algorithm: what `speed` saves is not credited, so figures do not depend on its switches.
Thus a uniform group counts in full, for plain GRPO trains on it. A group that a method leaves out (`Group.trained`
False) is no part of its algorithm's update: only its sampling counts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hybrid_rl.methods.terms import Row
from hybrid_rl.types import Demonstration, Example, Group


@dataclass
class UpdateCost:
    """The cost of one update, on one rank."""

    prompt_tokens: int = 0
    """Tokens of prompts that were sampled from."""
    generated_tokens: int = 0
    """Tokens that were sampled, whether trained on or not."""
    trained_tokens: int = 0
    """Tokens in the loss, once for every update."""
    backward_tokens: int = 0
    """Tokens through a forward and a backward pass, context included."""
    reference_tokens: int = 0
    """Tokens through the reference model, or through the policy in a forward pass that only measures."""
    verifier_calls: int = 0
    verifier_seconds: float = 0.0
    """Time spent on waiting for verdicts, on the rank that waited longest."""
    outcomes: Counter[str] = field(default_factory=Counter)
    scores: dict[str, float] = field(default_factory=dict)
    """The sum of the scores of each term of the reward, over all that `outcomes` counts."""
    trace_tokens: dict[str, int] = field(default_factory=dict)
    """The most tokens of an expert trace that were shown or learned from, by example id."""

    def add_scores(self, scores: Mapping[str, float]) -> None:
        """Adds scores by terms of the reward."""
        for name, score in scores.items():
            self.scores[name] = self.scores.get(name, 0.0) + score

    def show_trace(self, example_id: str, tokens: int) -> None:
        """Counts so many tokens of an expert trace; of one trace the most that was ever shown counts."""
        self.trace_tokens[example_id] = max(tokens, self.trace_tokens.get(example_id, 0))

    def train_on(self, group: Group, with_reference: bool) -> None:
        """Counts an RL update on all rows of a group, also where their rewards are equal."""
        completions = sum(len(rollout.completion) for rollout in group.rollouts)
        context = len(group.example.prompt_ids) + len(group.prefix)
        read = completions + context * len(group.rollouts)
        self.trained_tokens += completions
        self.backward_tokens += read
        self.reference_tokens += read if with_reference else 0

    def train_on_rows(self, rows: Iterable[Row], with_reference: bool, updates: int = 1) -> None:
        """Counts so many updates on all rows that have a target, whatever they weigh; the reference reads them once."""
        for row in rows:
            if row.expert and row.target and row.example.trace is not None:
                self.show_trace(row.example.id, min(len(row.target), len(row.example.trace.ids)))
            self.trained_tokens += len(row.target) * updates
            read = len(row.context) + len(row.target) if row.target else 0
            self.backward_tokens += read * updates
            if with_reference and row.reward is not None:
                self.reference_tokens += read

    def learn(self, examples: Sequence[Example], rows: Sequence[Demonstration]) -> None:
        """Counts an SFT update on `examples`, whose demonstrations are `rows`."""
        for example in examples:
            if example.trace is not None:
                self.show_trace(example.id, len(example.trace.ids))
        self.trained_tokens = sum(len(target) for _, target in rows)
        self.measure(rows)

    def measure(self, rows: Iterable[Demonstration]) -> None:
        """Counts a forward and a backward pass over `rows`, from which nothing is learned."""
        self.backward_tokens = sum(len(context) + len(target) for context, target in rows)

    def measure_divergence(self, rows: Sequence[Demonstration], alone: bool) -> None:
        """Counts the reference model's pass over `rows`; `alone`: the policy's own is one forward too."""
        read = sum(len(context) + len(target) for context, target in rows)
        self.reference_tokens += 2 * read if alone else read
        if alone:
            self.backward_tokens = 0

    def add(self, other: "UpdateCost") -> None:
        """Takes in the cost of another rank."""
        self.prompt_tokens += other.prompt_tokens
        self.generated_tokens += other.generated_tokens
        self.trained_tokens += other.trained_tokens
        self.backward_tokens += other.backward_tokens
        self.reference_tokens += other.reference_tokens
        self.verifier_calls += other.verifier_calls
        self.verifier_seconds = max(self.verifier_seconds, other.verifier_seconds)
        self.outcomes.update(other.outcomes)
        self.add_scores(other.scores)
        for example_id, tokens in other.trace_tokens.items():
            self.show_trace(example_id, tokens)

    def flops(self, parameters: int) -> float:
        """The estimate for a model of so many parameters."""
        read = self.prompt_tokens + self.generated_tokens + self.reference_tokens
        return float(parameters) * (2 * read + 6 * self.backward_tokens)


@dataclass
class Spent:
    """The totals over all updates and ranks; they are saved with every checkpoint."""

    wall_seconds: float = 0.0
    """The time of training; evaluation is not charged."""
    device_seconds: float = 0.0
    generated_tokens: int = 0
    trained_tokens: int = 0
    flops: float = 0.0
    verifier_calls: int = 0
    trace_tokens: dict[str, int] = field(default_factory=dict)

    def clock(self, seconds: float, devices: int) -> None:
        self.wall_seconds += seconds
        self.device_seconds += seconds * devices

    def add(self, cost: UpdateCost, parameters: int) -> None:
        self.generated_tokens += cost.generated_tokens
        self.trained_tokens += cost.trained_tokens
        self.verifier_calls += cost.verifier_calls
        self.flops += cost.flops(parameters)
        for example_id, tokens in cost.trace_tokens.items():
            self.trace_tokens[example_id] = max(tokens, self.trace_tokens.get(example_id, 0))

    def axes(self) -> dict[str, float]:
        """The axes by name, as on a metrics line; `traces_used` counts distinct questions."""
        return {
            "wall_seconds": round(self.wall_seconds, 3),
            "device_seconds": round(self.device_seconds, 3),
            "generated_tokens": self.generated_tokens,
            "trained_tokens": self.trained_tokens,
            "flops": self.flops,
            "verifier_calls": self.verifier_calls,
            "traces_used": len(self.trace_tokens),
            "trace_tokens_used": sum(self.trace_tokens.values()),
        }


def limits_of(settings: Mapping[str, Any]) -> dict[str, float | None]:
    """The limits of a run besides train.steps, by axis: those of `budget`, and train.epochs as `epochs`."""
    epochs = (settings.get("train") or {}).get("epochs")
    return {**(settings.get("budget") or {}), "epochs": epochs}


def setting_of(axis: str) -> str:
    """The name of the setting that limits an axis."""
    return "train.epochs" if axis == "epochs" else f"budget.{axis}"


def reached(limits: Mapping[str, float | None], axes: Mapping[str, float]) -> str | None:
    """The limit that is used up, written `budget.generated_tokens = 1,000`; None while all have something left."""
    for axis, limit in limits.items():
        if limit is not None and axes.get(axis, 0) >= limit:
            return f"{setting_of(axis)} = {limit:,}"
    return None


def within_reach(limits: Mapping[str, float | None], traces: int) -> dict[str, float | None]:
    """The limits as progress sees them on `traces` traces: one of more traces than there are never ends a run."""
    return {
        axis: None if axis == "traces_used" and limit is not None and limit > traces else limit
        for axis, limit in limits.items()
    }


def progress(
    steps_done: int, steps: int, limits: Mapping[str, float | None], axes: Mapping[str, float]
) -> float:
    """The share of a run that is over, by the limit that is nearest: `steps` optimizer steps, or one on an axis.

    0 before the first step, below 1 as long as the run goes on, at least 1 once it has ended. It is the largest of the
    shares that are used up, so it follows whichever limit will end the run as soon as that one leads.
    """
    shares = [axes.get(axis, 0) / limit for axis, limit in limits.items() if limit is not None]
    return max([steps_done / steps, *shares])


def passes(every: float, before: float, after: float) -> bool:
    """Whether a multiple of `every` lies between two values of progress, the first excluded, the second included."""
    # 0.21 / 0.07 is a little less than 3; without the margin such a multiple would pass one step late.
    return int(after / every + 1e-9) > int(before / every + 1e-9)


AXES = {
    "wall_seconds": "seconds of training",
    "generated_tokens": "generated tokens",
    "trained_tokens": "trained tokens",
    "flops": "FLOPs, estimated",
    "verifier_calls": "verifier calls",
    "traces_used": "distinct expert traces used",
    "trace_tokens_used": "tokens of those traces",
}
"""What each axis counts, in words, by its name on a metrics line."""
