"""What a method is: it decides what to sample, which update comes next, and what to remember.

The trainer is blind to methods. It calls four verbs and hands over plain records; a method never sees a model, an
optimizer, a rank or a device, and this package imports neither torch nor TRL. Two clauses keep several ranks in step:

- **Lock step.** `rollout` calls `attempt` a number of times that depends on settings only; `attempt([])` is legal and
  returns `[]`. With sharded weights every rank must enter generation equally often, or the run hangs.
- **Same knowledge.** The trainer gathers results and norms from all ranks, in rank order, before it reports them, so
  `next_update` gives the same answer everywhere. Randomness comes from `random.Random(f"{seed}-{step}")`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hybrid_rl.types import Attempt, Attempts, Example, Group, Json, Result, Section, Update


class Method:
    """Base of all methods: every update is RL, one unguided group per question, nothing remembered."""

    needs_traces: ClassVar[bool] = False
    """True: a data set in which no question has an expert trace is refused."""
    needs_rollouts: ClassVar[bool] = True
    """False: the method never asks for an RL update, so nothing is sampled in training."""

    class Settings(Section):
        """Each method nests its own; one that samples rollouts has a `group_size: int`, rollouts per question."""

        name: str

    def __init__(
        self, settings: Any, examples: Mapping[str, Example], seed: int, steps: int
    ) -> None:
        """`settings`: this class's own `Settings`; `examples`: the training set by id; `steps`: of the whole run."""
        self.settings = settings
        self.examples = examples
        self.seed = seed
        self.steps = steps

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """One group per example, in order."""
        size = self.settings.group_size
        rollouts = attempt([Attempt(example) for example in examples for _ in range(size)])
        return [
            Group(example, tuple(rollouts[i * size : (i + 1) * size]))
            for i, example in enumerate(examples)
        ]

    def next_update(self, step: int) -> Update:
        """What optimizer step `step` (from 0) does. Called before it, once, and again after each `measure_only`."""
        return Update("rl")

    def observe_results(self, step: int, results: Sequence[Result]) -> None:
        """All groups of the RL update of `step`, of all ranks, after sampling."""

    def observe_norm(self, step: int, update: Update, grad_norm: float) -> None:
        """The global gradient norm of `step` before clipping, after its backward pass; nan: the step was skipped."""

    def state_dict(self) -> dict[str, Json]:
        """All that a resume needs, JSON values only; the phases too, since `steps` may have become more by then."""
        return {}

    def load_state_dict(self, state: Mapping[str, Json]) -> None:
        """Undo `state_dict`."""

    @classmethod
    def beyond_deepspeed(cls, settings: Any) -> tuple[str, str] | None:
        """The setting that needs what DeepSpeed's engine cannot do, as (`name = value`, `name=remedy`); else None."""
        return None

    @classmethod
    def renews_reference(cls, settings: Any) -> bool:
        """Whether an update may ask for a new reference of the KL; until then it is the model as loaded."""
        return False

    @classmethod
    def sft_batch(cls, settings: Any) -> tuple[str, int] | None:
        """The method's own setting for the most examples of an SFT update, as (name, value); None: the trainer's."""
        return None

    @classmethod
    def expected_sft_steps(cls, settings: Any, steps: int) -> int:
        """How many of `steps` are supervised, for the estimate of the work; an upper guess where chance decides."""
        return 0

    @classmethod
    def fewest_sft_steps(cls, settings: Any, steps: int) -> int:
        """How many are supervised at least; below `expected_sft_steps` where results or chance decide."""
        return cls.expected_sft_steps(settings, steps)

    @classmethod
    def opening_sft_steps(cls, settings: Any, steps: int) -> int:
        """How many supervised steps come before all others."""
        return 0

    @classmethod
    def extra_rollouts(cls, settings: Any) -> int:
        """Most rollouts of a question besides the `group_size` of an RL update."""
        return 0
