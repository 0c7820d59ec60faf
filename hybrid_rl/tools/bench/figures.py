"""The figures of the benchmark, computed from timed steps. Nothing is run or read here."""

from collections.abc import Sequence
from statistics import mean, median, quantiles
from typing import Any

from hybrid_rl.tools.bench.relay import PARTS, PHASES, Step


def ratio(ours: Sequence[Step], theirs: Sequence[Step]) -> dict[str, Any]:
    """The ratios of our seconds to theirs, in pairs of steps one after the other, with median and quartiles."""
    pairs = [one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True)]
    low, _, high = quantiles(pairs, n=4) if len(pairs) > 1 else pairs * 3
    return {"median": median(pairs), "low": low, "high": high, "pairs": pairs}


def summary(steps: Sequence[Step]) -> dict[str, Any]:
    """The medians of seconds and of sampled tokens per second of sampling, and the share of each phase.

    The share of a phase is its mean over steps, so that the shares of a step add up to 1, as medians would not; its
    seconds are that share of the median step.
    """
    seconds = median(step.seconds for step in steps)
    shares = {name: mean(step.phases[name] / step.seconds for step in steps) for name in PHASES}
    shares["other"] = mean(step.other / step.seconds for step in steps)
    parts = {name: mean(step.parts[name] / step.seconds for step in steps) for name in PARTS}
    sampled = [step for step in steps if step.generated_tokens]
    sampling = [step.generated_tokens / step.phases["generate"] for step in sampled]
    return {
        "seconds_per_step": seconds,
        "phases_share": shares,
        "phases_seconds": {name: share * seconds for name, share in shares.items()},
        "other_parts_share": parts,
        "rollout_tokens": median(step.generated_tokens for step in steps),
        "rollout_tokens_per_second": median(sampling) if sampling else None,
    }
