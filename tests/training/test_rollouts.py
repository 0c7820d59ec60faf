"""Attempts: what is sampled, and what the grader is told of while others are still being drawn."""

import math
from collections.abc import Sequence
from dataclasses import replace

from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.recording.budget import UpdateCost
from hybrid_rl.training.rollouts import Attempter, columns
from hybrid_rl.types import Attempt, Group, Ids, Rollout
from hybrid_rl.verification.grader import Solution
from tests.fakes import tiny


class Numbers:
    """A tokenizer that writes token ids as they are."""

    eos_token_id = 1

    def decode(self, token_ids: list[int]) -> str:
        return " ".join(map(str, token_ids))


class Kept(tiny.EvenGrader):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.graded: list[Solution] = []
        self.early: list[Solution] = []

    def verify_early(self, solution: Solution) -> None:
        self.early.append(solution)

    def grade(self, solutions: Sequence[Solution]) -> list[object]:
        self.graded += solutions
        return list(super().grade(solutions))


def test_what_is_verified_early_is_what_is_graded() -> None:
    """With the prefix in front, cut at the room that it leaves, and by the attempt's own place among all."""
    example = replace(tiny.examples(1)[0], columns={"unit": "m"})
    drawn: list[Ids] = [(5, 6, 1), (7, 8, 9)]

    def sample(request: Request, params: SamplingParams) -> list[Ids]:
        assert request.finished is not None
        assert request.limits == [5, 3]
        for index in (1, 0):
            request.finished(index, drawn[index])
        return drawn

    grader = Kept()
    params, vocabulary = SamplingParams(1.0, 1.0, 0, 5), Vocabulary(Numbers(), [1])
    attempter = Attempter(sample, params, grader, vocabulary, early=True)
    given = Attempt(example, completion=(4, 1))
    attempter.attempt(UpdateCost(), [Attempt(example), given, Attempt(example, prefix=(2, 3))])
    first, _, branched = grader.graded
    assert grader.early == [branched, first]
    assert branched == Solution(example.answer, "2 3 7 8 9", True, {"unit": "m"}, tokens=5)
    assert first == Solution(example.answer, "5 6", False, {"unit": "m"}, tokens=3)


def test_the_log_probabilities_of_what_is_sampled_stay_with_it() -> None:
    """Cut as the completion is; of one that was given nothing is known."""
    example = tiny.examples(1)[0]

    def sample(request: Request, params: SamplingParams) -> list[Ids]:
        assert request.scored is not None
        request.scored(1, [-0.5, -0.6, -0.7])
        request.scored(0, [-0.1, -0.2, -9.0, -9.0])
        return [(5, 1), (7, 8, 9)]

    params, vocabulary = SamplingParams(1.0, 1.0, 0, 5), Vocabulary(Numbers(), [1])
    attempter = Attempter(sample, params, Kept(), vocabulary, early=False, scored=True)
    given = Attempt(example, completion=(4, 1))
    made = attempter.attempt(UpdateCost(), [Attempt(example), given, Attempt(example)])
    assert [one.log_probs for one in made] == [(-0.1, -0.2), None, (-0.5, -0.6, -0.7)]
    table = columns([Group(example, tuple(made))])["logprobs"]
    assert table[0] == [-0.1, -0.2]
    assert all(map(math.isnan, table[1]))
    assert len(table[1]) == 2
    bare = [Rollout(one.completion, one.verdict) for one in made]
    assert columns([Group(example, tuple(bare))])["logprobs"] is None
