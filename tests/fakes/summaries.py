"""Summaries of an evaluation, for tests of what is shown of them."""

from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.evaluation.statistics import Interval


def summary(greedy: float, samples: int = 0) -> SetSummary:
    half = Interval(0.5, 0.4, 0.6) if samples else None
    return SetSummary(
        questions=64,
        samples=samples,
        greedy=Interval(greedy, greedy - 0.1, greedy + 0.1),
        avg=half,
        maj=half,
        pass_at={samples: Interval(0.75, 0.7, 0.8)} if samples else {},
        truncated_rate=0,
        unparseable_rate=0,
        timeout_rate=0,
        completion_tokens_mean=1,
        by_level={},
    )
