"""The coefficients of a method's terms by plain arithmetic: a second implementation of what training computes.

The reference row has an expert's target of two tokens, which the policy gives the probabilities .2 and .7.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hybrid_rl.config.train import RlSettings
from hybrid_rl.methods.terms import Row, Term
from hybrid_rl.training import term_weights
from hybrid_rl.training.term_weights import Share
from hybrid_rl.types import Attempt, Attempts, Example, Ids, Rollout, Trace, Verdict

P = (0.2, 0.7)
END = 1


def example(name: str = "q", traced: bool = True) -> Example:
    """A question whose trace has one token, so that with its end it is the reference row."""
    trace = Trace("4", ids=(4,), ends=(1,), answer_start=1) if traced else None
    return Example(name, (2, 3), "2 3", "4", trace)


def rollouts(rewards: Sequence[float], tokens: int = 3) -> tuple[Rollout, ...]:
    """A rollout for each reward, all of different tokens; a reward of 1 is a correct one."""
    return tuple(
        Rollout(
            (*[5] * (tokens - 2), 10 + place, END),
            Verdict("correct" if reward == 1 else "wrong", reward),
        )
        for place, reward in enumerate(rewards)
    )


def attempts_of(*rewards: float, expert: float = 1.0) -> Attempts:
    """An `attempt` that draws solutions of these rewards in turn, and again; the expert's has one of its own."""
    drawn = iter(rewards * 100)

    def attempt(attempts: Sequence[Attempt]) -> list[Rollout]:
        found = []
        for one in attempts:
            reward = expert if one.completion is not None else next(drawn)
            completion: Ids = (5, 6, END) if one.completion is None else (*one.completion, END)
            verdict = Verdict("correct" if reward == 1 else "wrong", reward)
            found.append(Rollout(completion, verdict))
        return found

    return attempt


def coefficients(
    terms: Sequence[Term],
    rl: Mapping[str, Any] | None = None,
    p: Sequence[float] = P,
    entropies: Sequence[float] = (0.0, 0.0),
) -> list[tuple[Row, list[float]]]:
    """c of each token of each row that has a target; a row of other length than `p` has p = 1 and no entropy.

    `rl`: changes of `train.rl`, which is loss grpo without a spread of rewards otherwise. The slot has 100 tokens.
    """
    values: dict[str, Any] = {
        "learning_rate": 1.0, "schedule": "constant", "warmup": 0.0, "floor": 0.0, "loss": "grpo",
        "scale_rewards": "none", "beta": 0.0, "entropy_bonus": 0.0, "ref_sync_steps": None,
        "temperature": 1.0, "top_p": 1.0, "top_k": 0, "importance_cap": None,
    }  # fmt: skip
    ended = [term_weights.with_end(term, END) for term in terms]
    settings = RlSettings(**{**values, **(rl or {})})
    found = []
    for one in term_weights.weighted(ended, Share.of(ended), settings, 100):
        row, length = one.row, len(one.row.target)
        known = length == len(p)
        told, spread = (p, entropies) if known else ([1.0] * length, [0.0] * length)
        scale = one.weight * one.share * math.exp(row.entropy * sum(spread) / length)
        most = length - int((1 - row.keep) * length + 1e-6)
        kept = sorted(range(length), key=lambda place: -spread[place])[:most]
        found.append((row, [scale * _factor(row, told[i]) * (i in kept) for i in range(length)]))
    return found


def _factor(row: Row, p: float) -> float:
    return {
        "one": 1.0, "p": p, "p(1-p)": p * (1 - p),
        "shaped": row.shape * p / (p + row.shape) ** 2,
    }[row.factor]  # fmt: skip
