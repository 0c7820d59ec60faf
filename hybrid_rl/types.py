"""The vocabulary: the records that data, methods, trainer and reports hand to each other. Read it second, after run.py.

Token ids are tuples of ints and everything here is immutable. It knows no file, no torch and no method.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

Ids = tuple[int, ...]
Json = Any  # whatever json.dumps takes; a recursive alias would cost more than it tells
Kind = Literal["rl", "sft"]
SHARED = "shared"
"""The name of Adam's moments where updates share one set of them."""
Measures = Literal["norm", "divergence", "both"]
Outcome = Literal["correct", "wrong", "unparseable", "timeout", "truncated"]


class Section(BaseModel):
    """A frozen section of the settings that refuses unknown keys."""

    # JSON has neither infinity nor nan: settings.json would turn both into null, which may mean the opposite.
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


@dataclass(frozen=True)
class Trace:
    """An expert's solution, tokenised once; every prefix of it is a cut of `ids`, never of text."""

    text: str
    ids: Ids
    """Tokens of `text`, without an end-of-sequence token."""
    ends: tuple[int, ...]
    """`ends[i]`: where token i ends in `text`, in characters."""
    answer_start: int
    """The character at which the statement of the final answer begins; a hint must stop before it."""


@dataclass(frozen=True)
class Example:
    """A question of the training set, with its expert trace where it has one."""

    id: str
    prompt_ids: Ids
    """The chat prompt with the generation prompt, from which rollouts are sampled."""
    question: str
    answer: str
    trace: Trace | None = None
    level: str | None = None
    """The difficulty level, where the data have one."""
    columns: Mapping[str, Json] = field(default_factory=dict, hash=False)
    """The columns of its row that the reward asks for by name, the prompt among them; empty where it asks for none."""


Examples = Mapping[str, Example]
"""The training set by id."""


class Demonstration(NamedTuple):
    """A context and the target that follows it in an SFT update; the loss covers the target alone."""

    context: Ids
    target: Ids


@dataclass(frozen=True)
class Verdict:
    """The judgement of the verifier on one solution."""

    outcome: Outcome
    reward: float
    scores: Mapping[str, float] = field(default_factory=dict, hash=False)
    """The score of each term of the reward by its name, before its weight; empty where there are none."""

    @property
    def correct(self) -> bool:
        return self.outcome == "correct"


@dataclass(frozen=True)
class Attempt:
    """A solution to be graded: `prefix` follows the prompt of `example`, and the rest is sampled unless it is given."""

    example: Example
    prefix: Ids = ()
    """Expert tokens given as context. They use up the length limit of the completion."""
    completion: Ids | None = None
    """Tokens that are graded as if they had been sampled; None: sample."""


@dataclass(frozen=True)
class Rollout:
    """A completion, sampled or given, and the verdict on the whole solution, prefix included."""

    completion: Ids
    """At least one token; ends with an end-of-sequence token unless it was cut at the length limit."""
    verdict: Verdict
    log_probs: tuple[float, ...] | None = None
    """The log-probability of each token by the sampler, where it rounds otherwise than the trainer; None: not told."""


Attempts = Callable[[Sequence[Attempt]], list[Rollout]]
"""The function that samples and grades: one rollout per attempt, in the same order."""


@dataclass(frozen=True)
class Group:
    """`group_size` rollouts of one question that share a context; advantages are relative within it."""

    example: Example
    rollouts: tuple[Rollout, ...]
    prefix: Ids = ()
    trained: bool = True
    """False: the rows keep their place in the batch and contribute no gradient, KL, entropy or token of the loss. The
    budget counts what was sampled, and no training on it. A loss that is a mean over rows (grpo, dr_grpo) counts the
    rows, as it does those of a uniform group."""
    note: Mapping[str, Json] = field(default_factory=dict)
    """The reason why the group looks as it does, for the decision log."""

    @property
    def correct(self) -> int:
        return sum(rollout.verdict.correct for rollout in self.rollouts)

    @property
    def uniform(self) -> bool:
        """Whether all rewards are equal, in float32 as the loss has them, so that no row has an advantage.

        This alone decides it, for advantages, skipped rows, the metric and the guard: a mean of equal rewards may be
        rounded, and the differences from it would then pass for advantages.
        """
        rewards = array("f", [rollout.verdict.reward for rollout in self.rollouts])
        return len(set(rewards)) < 2


@dataclass(frozen=True)
class Result:
    """A group of an RL update as every rank hears of it."""

    example_id: str
    correct: int
    size: int
    prefix_tokens: int = 0
    trained: bool = True
    note: Mapping[str, Json] = field(default_factory=dict)
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    """The number of rollouts by how they ended."""
    uniform: bool = False
    """Whether all rewards are equal; see `Group.uniform`."""

    @classmethod
    def of(cls, group: Group) -> "Result":
        return cls(
            example_id=group.example.id,
            correct=group.correct,
            size=len(group.rollouts),
            prefix_tokens=len(group.prefix),
            trained=group.trained,
            note=group.note,
            outcomes=dict(Counter(rollout.verdict.outcome for rollout in group.rollouts)),
            uniform=group.uniform,
        )


class Span(NamedTuple):
    """The part of a run over which a learning-rate schedule runs."""

    begin: float = 0.0
    end: float = 1.0
    in_steps: bool = False
    """Whether both are counts of optimizer steps. Else they are progress: the share of the run that is over."""
    first_step: int = 0
    """The optimizer step with which it begins, from 0, where both are progress."""

    def position(self, step: int, progress: float) -> float:
        """The position on the schedule, from 0 to 1, where `step` begins and `progress` of the run is over."""
        return ((step if self.in_steps else progress) - self.begin) / (self.end - self.begin)

    def steps_done(self, step: int) -> float:
        """How many optimizer steps of it are done where `step` begins."""
        return step - (self.begin if self.in_steps else self.first_step)


WHOLE_RUN = Span()


@dataclass(frozen=True)
class Update:
    """A method's decision on the next optimizer step."""

    kind: Kind
    examples: tuple[Example, ...] = ()
    """Questions whose traces an "sft" update learns from; empty: the next of the shuffled demonstrations."""
    demonstrations: int | None = None
    """How many of the shuffled demonstrations are drawn, over all devices; None: train.sft.batch_size for an "sft"
    update, and none for "rl", where only a method with `terms` of its own can use them."""
    schedule_span: Span = WHOLE_RUN
    """The part of the run over which its learning-rate schedule runs: the whole of it, unless it says otherwise."""
    schedule: Kind | None = None
    """The kind whose learning rate and schedule count, of `train.rl` or `train.sft`; None: the update's own."""
    entropy_bonus: float = 0.0
    """The weight of the mean token entropy that is subtracted from the loss of an "sft" update."""
    measures: Measures = "norm"
    """What an "sft" update tells the method: its gradient norm, the divergence of the policy from the reference model
    on its demonstrations, or both. An update of the weights has a norm in any case."""
    measure_only: bool = False
    """True: an "sft" update that takes what it `measures` alone and leaves the weights; `next_update` is asked again.
    The divergence alone takes no backward pass."""
    moments: str = SHARED
    """The name of Adam's moments, and of the step count that goes with them, that this update uses. A name that has not
    been used begins with fresh ones; those of other names rest until an update asks for them again."""
    drop_resting_moments: bool = False
    """True: no later update will use the moments that rest now; they are deleted."""
    renew_reference: bool = False
    """True: the model as it is before this update becomes the reference model, if there is one."""
    note: Mapping[str, Json] = field(default_factory=dict)
    """The reason why this update was chosen, for the decision log."""


def refuse(problem: str | None) -> None:
    """Raises what a validator says against a value as the whole message of pydantic's error; None: it says nothing."""
    if problem is not None:
        raise PydanticCustomError("range", "{problem}", {"problem": problem})
