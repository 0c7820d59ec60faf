"""From timed steps to the figures of the benchmark. Pure."""

from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any

from hybrid_rl.bench.relay import PHASES, Step


def ratio(ours: Sequence[Step], theirs: Sequence[Step]) -> dict[str, Any]:
    """Our seconds per step over theirs, in pairs that ran one after the other; quartiles for the spread."""
    pairs = [one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True)]
    low, _, high = quantiles(pairs, n=4) if len(pairs) > 1 else pairs * 3
    return {"median": median(pairs), "low": low, "high": high, "pairs": pairs}


def summary(steps: Sequence[Step]) -> dict[str, Any]:
    """Medians over steps: seconds, by phase, and sampled tokens per second of sampling."""
    phases = {name: median(step.phases[name] for step in steps) for name in PHASES}
    phases["other"] = median(step.other for step in steps)
    sampling = [
        step.generated_tokens / step.phases["generate"] for step in steps if step.generated_tokens
    ]
    return {
        "seconds_per_step": median(step.seconds for step in steps),
        "phases_seconds": phases,
        "other_share": median(step.other / step.seconds for step in steps),
        "rollout_tokens": median(step.generated_tokens for step in steps),
        "rollout_tokens_per_second": median(sampling) if sampling else None,
    }
