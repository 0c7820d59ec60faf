"""What a method's `attempt` does: sample what is not given, grade all of it, count what it cost.

Knows neither TRL nor methods; sampling comes in as a function.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from hybrid_rl.models.sampling import Request, Sample, SamplingParams
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.recording.budget import UpdateCost
from hybrid_rl.types import Attempt, Group, Ids, Rollout
from hybrid_rl.verification.grader import Grades, Solution


@dataclass
class Attempter:
    """Carries out attempts; `partial(attempter.attempt, cost)` is what a method gets as `types.Attempts`.

    The length limit covers the expert prefix too (our choice, see methods/bread.py).
    """

    sample: Sample
    params: SamplingParams
    grader: Grades
    vocabulary: Vocabulary
    early: bool
    """Whether solutions that have ended are verified while others are still being drawn."""
    scored: bool = False
    """Whether rollouts keep the log-probabilities with which they were drawn."""

    def attempt(self, cost: UpdateCost, attempts: Sequence[Attempt]) -> list[Rollout]:
        """One graded rollout per attempt, in the same order; what it takes is added to `cost`."""
        log_probs: dict[int, tuple[float, ...]] = {}
        completions = self._complete(cost, attempts, log_probs)
        solutions = [
            self._solution(attempt, completion)
            for attempt, completion in zip(attempts, completions, strict=True)
        ]
        calls, started = self.grader.calls, time.monotonic()
        verdicts = self.grader.grade(solutions)
        cost.verifier_seconds += time.monotonic() - started
        cost.verifier_calls += self.grader.calls - calls
        cost.outcomes.update(verdict.outcome for verdict in verdicts)
        for verdict in verdicts:
            cost.add_scores(verdict.scores)
        return [
            Rollout(completion, verdict, log_probs.get(place))
            for place, (completion, verdict) in enumerate(zip(completions, verdicts, strict=True))
        ]

    def _complete(
        self, cost: UpdateCost, attempts: Sequence[Attempt], log_probs: dict[int, tuple[float, ...]]
    ) -> list[Ids]:
        """The completions; those that are sampled leave their log-probabilities by the index of their attempt."""
        most = self.params.max_completion_tokens
        for attempt in attempts:
            shown = len(attempt.prefix) + len(attempt.completion or ())
            if shown:
                cost.show_trace(attempt.example.id, shown)
            if len(attempt.prefix) >= most:
                raise ValueError(
                    f"{attempt.example.id}: a prefix of {len(attempt.prefix)} tokens leaves no room within "
                    f"train.max_completion_tokens = {most}"
                )
        wanted = [attempt for attempt in attempts if attempt.completion is None]
        prompts = [attempt.example.prompt_ids + attempt.prefix for attempt in wanted]
        room = [most - len(attempt.prefix) for attempt in wanted]

        def finished(index: int, ids: Ids) -> None:
            self.grader.verify_early(self._solution(wanted[index], ids))

        scores: dict[int, Sequence[float]] = {}
        scored = scores.__setitem__ if self.scored else None
        # Called even when nothing is left to sample: sharded weights need every rank in every call.
        request = Request(prompts, room, finished if self.early else None, scored)
        drawn = self.sample(request, self.params)
        cost.prompt_tokens += sum(map(len, prompts))
        cost.generated_tokens += sum(map(len, drawn))
        places = [place for place, attempt in enumerate(attempts) if attempt.completion is None]
        for index, values in scores.items():
            log_probs[places[index]] = tuple(values[: len(drawn[index])])
        sampled = iter(drawn)
        return [
            next(sampled) if attempt.completion is None else self._ended(attempt.completion)
            for attempt in attempts
        ]

    def _solution(self, attempt: Attempt, completion: Ids) -> Solution:
        return Solution(
            answer=attempt.example.answer,
            text=self.vocabulary.solution_text(attempt.prefix + completion),
            truncated=not self.vocabulary.has_ended(completion),
            columns=attempt.example.columns,
            tokens=len(attempt.prefix) + len(completion),
        )

    def _ended(self, completion: Ids) -> Ids:
        end_id = self.vocabulary.end_id
        return completion if completion[-1:] == (end_id,) else (*completion, end_id)


def columns(groups: Sequence[Group]) -> dict[str, Any]:
    """What TRL takes from a rollout function: a row per rollout, and our column of rewards."""
    rows = [(group, rollout) for group in groups for rollout in group.rollouts]
    return {
        # TRL's loss, ratio and KL are sums over completion ids: here an expert prefix is kept out of all three.
        "prompt_ids": [list(group.example.prompt_ids + group.prefix) for group, _ in rows],
        "completion_ids": [list(rollout.completion) for _, rollout in rows],
        "logprobs": _log_probs([rollout for _, rollout in rows]),
        # Rows left out of the update get one reward for all, so their advantages are exactly zero.
        "verified": [rollout.verdict.reward if g.trained else 0.0 for g, rollout in rows],
    }


def _log_probs(rollouts: Sequence[Rollout]) -> list[list[float]] | None:
    """The log-probabilities that the sampler told, NaN where it told none; None where it told nothing of any."""
    if all(rollout.log_probs is None for rollout in rollouts):
        return None
    return [list(one.log_probs or [nan] * len(one.completion)) for one in rollouts]


def verified_reward(verified: list[float], **columns: Any) -> list[float]:
    """TRL's reward function: what the verifier said when the rollouts were graded."""
    return verified
