"""What a method's `attempt` does: sample what is not given, grade all of it, count what it cost.

Knows neither TRL nor methods; sampling comes in as a function.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from hybrid_rl.config.settings import Settings
from hybrid_rl.models.sampling import Request, Sample, SamplingParams, in_training, text_of
from hybrid_rl.recording.budget import UpdateCost
from hybrid_rl.types import Attempt, Group, Ids, Rollout
from hybrid_rl.verification.grader import Grades, Solution, verifies_early


class Attempter:
    """Callable as `methods.base.Attempts`; `cost` is the current update's and is replaced by the trainer.

    The length limit covers the expert prefix too (BREAD, D12 in the method's notes: our choice).
    """

    def __init__(
        self,
        *,
        sample: Sample,
        params: SamplingParams,
        grader: Grades,
        decode: Callable[[Ids], str],
        eos_ids: Sequence[int],
        end_id: int,
        verify_early: Callable[[Solution], None] | None = None,
    ) -> None:
        """`verify_early` is told of solutions that have ended while others are still being drawn."""
        self.sample, self.params, self.grader = sample, params, grader
        self.decode, self.eos_ids, self.end_id = decode, eos_ids, end_id
        self.verify_early = verify_early
        self.cost = UpdateCost()

    def __call__(self, attempts: Sequence[Attempt]) -> list[Rollout]:
        completions = self._complete(attempts)
        solutions = [
            self._solution(attempt, completion)
            for attempt, completion in zip(attempts, completions, strict=True)
        ]
        calls, started = self.grader.calls, time.monotonic()
        verdicts = self.grader.grade(solutions)
        self.cost.verifier_seconds += time.monotonic() - started
        self.cost.verifier_calls += self.grader.calls - calls
        self.cost.outcomes.update(verdict.outcome for verdict in verdicts)
        return [Rollout(c, verdict) for c, verdict in zip(completions, verdicts, strict=True)]

    def _complete(self, attempts: Sequence[Attempt]) -> list[Ids]:
        for attempt in attempts:
            shown = len(attempt.prefix) + len(attempt.completion or ())
            if shown:
                self.cost.show_trace(attempt.example.id, shown)
            if len(attempt.prefix) >= self.params.max_completion_tokens:
                raise ValueError(
                    f"{attempt.example.id}: a prefix of {len(attempt.prefix)} tokens leaves no room within "
                    f"train.max_completion_tokens = {self.params.max_completion_tokens}"
                )
        # Called even when nothing is left to sample: sharded weights need every rank in every call.
        wanted = [attempt for attempt in attempts if attempt.completion is None]
        prompts = [attempt.example.prompt_ids + attempt.prefix for attempt in wanted]
        room = [self.params.max_completion_tokens - len(attempt.prefix) for attempt in wanted]

        def finished(index: int, ids: Ids) -> None:
            assert self.verify_early is not None
            self.verify_early(self._solution(wanted[index], ids))

        request = Request(prompts, room, finished if self.verify_early else None)
        drawn = self.sample(request, self.params)
        self.cost.prompt_tokens += sum(map(len, prompts))
        self.cost.generated_tokens += sum(map(len, drawn))
        sampled = iter(drawn)
        return [
            next(sampled) if attempt.completion is None else self._ended(attempt.completion)
            for attempt in attempts
        ]

    def _solution(self, attempt: Attempt, completion: Ids) -> Solution:
        return Solution(
            answer=attempt.example.answer,
            text=text_of(attempt.prefix + completion, self.decode, self.eos_ids),
            truncated=completion[-1] not in self.eos_ids,
        )

    def _ended(self, completion: Ids) -> Ids:
        return completion if completion[-1:] == (self.end_id,) else (*completion, self.end_id)


def attempter(
    settings: Settings,
    sample: Sample,
    grader: Grades,
    decode: Callable[[Ids], str],
    eos_ids: Sequence[int],
    end_id: int,
) -> Attempter:
    """Attempts as in training, verified early where that is worth it."""
    return Attempter(
        sample=sample,
        params=in_training(settings.train),
        grader=grader,
        decode=decode,
        eos_ids=eos_ids,
        end_id=end_id,
        verify_early=grader.verify_early if verifies_early(settings) else None,
    )


def columns(groups: Sequence[Group]) -> dict[str, Any]:
    """What TRL takes from a rollout function: a row per rollout, and our column of rewards."""
    rows = [(group, rollout) for group in groups for rollout in group.rollouts]
    return {
        "prompt_ids": [list(group.example.prompt_ids + group.prefix) for group, _ in rows],
        "completion_ids": [list(rollout.completion) for _, rollout in rows],
        "logprobs": None,
        # Rows left out of the update get one reward for all, so their advantages are exactly zero.
        "verified": [rollout.verdict.reward if g.trained else 0.0 for g, rollout in rows],
    }


def verified_reward(verified: list[float], **columns: Any) -> list[float]:
    """TRL's reward function: what the verifier said when the rollouts were graded."""
    return verified
