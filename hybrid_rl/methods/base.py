"""The contract between a method and the trainer: what to sample, which update comes next, and what to remember.

A method is two classes. Its settings derive from `MethodSettings`: fields with types and limits, and what follows from
them before a run starts, such as `plan`. The method itself derives from `Method[ITS_SETTINGS]`, which is how they are
found, overrides the verbs in which it differs from GRPO, and labels its `notes`. A YAML file, say
`my_conf/method/mine.yaml`, gives its dotted path as `_target_`, its `name` and a value for every setting;
`hybrid-rl --config-dir my_conf method=mine` runs it. Nothing is registered. README has a whole one.

The trainer is blind to methods. It calls six verbs and hands over plain records; a method never sees a model, an
optimizer, a rank or a device, and this package imports neither torch nor TRL. One of the verbs, `terms`, makes up the
loss where that is neither GRPO's on the groups nor the likelihood of demonstrations; see `methods/terms.py`. Three
clauses keep several ranks in step:

- **Lock step.** `rollout` calls `attempt` a number of times that depends on settings only; `attempt([])` is legal and
  returns `[]`. With sharded weights every rank must enter generation equally often, or the run hangs.
- **Same knowledge.** The trainer gathers results and norms from all ranks, in rank order, before it reports them, so
  `next_update` gives the same answer everywhere. Randomness comes from `random.Random(f"{seed}-{step}")`.
- **Same terms.** `terms` returns as many terms on every rank, in the same order; one without rows is legal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar

from hybrid_rl.methods.terms import Term, judged, likelihood
from hybrid_rl.types import (
    SHARED,
    Attempt,
    Attempts,
    Example,
    Group,
    Json,
    Kind,
    Result,
    Section,
    Update,
)


@dataclass(frozen=True)
class Plan:
    """The supervised steps of a run, as far as its settings tell."""

    opening: int = 0
    """SFT steps that come before all others."""
    fewest: int = 0
    """SFT steps that there are in any case; fewer than `expected` where results or chance decide."""
    expected: int = 0
    """SFT steps for the estimate of the work; an upper guess where chance decides."""


@dataclass(frozen=True)
class Note:
    """The label of a method's note in the decision log, and how reports sum its values up."""

    label: str
    kind: Literal["mean", "total", "share"]
    """mean: the values are numbers, or lists of numbers. total: they are a running total, and the last one counts.
    share: they are facts, words or numbers from 0 to 1, and the report says how often a fact is true, or a word is
    the value."""
    of: Literal["update", "group"] = "update"
    """The record in whose `note` it stands, an `Update` or a `Group`."""


class MethodSettings(Section):
    """Base of a method's settings: its fields are the keys of the method's YAML file."""

    name: str
    group_size: int | None = None
    """Rollouts per question. A method that asks for RL updates declares `group_size: int`; with null nothing is
    sampled in training."""

    def plan(self, steps: int) -> Plan:
        """The supervised part of a run that ends after `steps`.

        Raises ValueError, with words for the user, where they are too few for what the method is made of.

        Where a budget ends a run, the estimate asks with as many steps as it leaves.
        """
        return Plan()

    def remarks(self, examples: Sequence[Example], section: str = "method") -> list[str]:
        """What `check=true` says about a training set that the method can do little with, for settings in `section`."""
        return []

    def obstacles(
        self, examples: Sequence[Example], questions_per_update: int, section: str = "method"
    ) -> list[str]:
        """Lines that say why the method could never do its part on this training set, for settings in `section`.

        `examples` are as they were encoded, some without the trace that they had. A run with an obstacle is refused.
        """
        return []

    @property
    def extra_rollouts(self) -> int:
        """Most rollouts of a question besides the `group_size` of an RL update."""
        return 0

    @property
    def candidates(self) -> int:
        """Questions that an RL update draws for each of train.prompts_per_step; `rollout` gets them all."""
        return 1

    def extra_rows(self, prompts: int) -> int:
        """Most rows of an RL update's `terms` besides its rollouts, over all devices, for `prompts` questions."""
        return 0

    @property
    def sft_batch(self) -> tuple[str, int] | None:
        """The method's own setting for the most examples of an SFT update, as (name, value); None: the trainer's."""
        return None

    @property
    def renews_reference(self) -> bool:
        """True where an update may ask for a new reference model; until then it is the model as loaded."""
        return False

    @property
    def moment_sets(self) -> int:
        """The most sets of Adam's moments that a run holds at once, by the names that updates give them."""
        return 1

    @property
    def needs_reference(self) -> tuple[str, str] | None:
        """The setting by which updates measure a divergence, as (`name = value`, `name=remedy`); None: none does.

        There is then a reference model also where `train.rl.beta` is 0.
        """
        return None

    @property
    def paired_with(self) -> tuple[str, str] | None:
        """The setting that names a finished run whose decisions the method must hear of, as (name, path), or None.

        A relative path starts at the run directory.
        """
        return None

    @property
    def pair_has(self) -> Mapping[str, Json]:
        """The settings of the method that the run it is `paired_with` must have had."""
        return {}

    @property
    def beyond_deepspeed(self) -> tuple[str, str] | None:
        """The setting that needs what DeepSpeed's engine cannot do, as (`name = value`, `name=remedy`); else None."""
        return None


class MixedSettings(MethodSettings):
    """Base of the settings of a method whose updates are of both kinds, SFT and RL."""

    moments: Literal["shared", "by_kind"]
    """Adam's moments. shared: one set for all updates, so that the momentum of a kind lives on in steps of the other.
    by_kind: SFT and RL have a set each, which begins fresh, and rests while the other kind has its turn."""

    def moments_of(self, kind: Kind) -> str:
        """The name of the moments of an update of this kind, for `Update.moments`."""
        return kind if self.moments == "by_kind" else SHARED

    @property
    def moment_sets(self) -> int:
        return 2 if self.moments == "by_kind" else 1


S_co = TypeVar("S_co", bound=MethodSettings, covariant=True)


class Method(Generic[S_co]):
    """Base of all methods: every update is RL, one unguided group per question, nothing remembered."""

    needs_traces: ClassVar[bool] = False
    """True: a data set in which no question has an expert trace is refused."""
    notes: ClassVar[Mapping[str, Note]] = {}
    """Labels of those notes that reports show, by name. A note that holds a mapping holds notes of a part, by name."""

    remembered: ClassVar[str] = ""
    """Attributes that a resume needs, in words; one whose value is not JSON is left to an own `state_dict`."""

    def __init__(
        self, settings: S_co, examples: Mapping[str, Example], seed: int, steps: int
    ) -> None:
        """`examples`: the training set by id; `steps`: the most that the run may have, `train.steps`."""
        self.settings = settings
        self.examples = examples
        self.seed = seed
        self.steps = steps

    @classmethod
    def composes(cls, settings: MethodSettings) -> bool:
        """Whether the loss is computed as the sum of `terms`, as where a class has its own, or in TRL's quicker way."""
        return cls.terms is not Method.terms

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """One group of `group_size` rollouts per example, in order.

        A method with `terms` of its own may return groups of any size, and any number of them.
        """
        size = self.settings.group_size
        assert size is not None, "who asks for RL updates declares a group_size"
        rollouts = attempt([Attempt(example) for example in examples for _ in range(size)])
        return [
            Group(example, tuple(rollouts[i * size : (i + 1) * size]))
            for i, example in enumerate(examples)
        ]

    def terms(
        self,
        step: int,
        update: Update,
        groups: Sequence[Group],
        demonstrations: Sequence[Example],
    ) -> list[Term]:
        """The terms of which the loss of `update` is the sum, for this rank's groups and its share of demonstrations.

        It is asked after `observe_results`, so it may use what is known of all ranks.
        """
        if update.kind == "sft":
            rows = [likelihood(example) for example in demonstrations]
            return [Term(rows, mean="token", entropy_bonus=update.entropy_bonus)]
        return [Term([row for group in groups for row in judged(group)])]

    def next_update(self, step: int, progress: float) -> Update:
        """The update of optimizer step `step`, from 0. It is asked for once, and again after each `measure_only`.

        `progress`: the share of the run that is over, by the limit that will end it: `train.steps`, or one of `budget`
        (`recording.budget.progress`). It is below 1, unless a `measure_only` of this step has used up the budget: the
        update that is then asked for is the last.
        """
        return Update("rl")

    def observe_results(self, step: int, results: Sequence[Result]) -> None:
        """Takes in all groups of the RL update of `step`, of all ranks, after sampling."""

    def observe_pair(self, decisions: Sequence[Mapping[str, Json]]) -> None:
        """Takes in the decision log of the run it is `paired_with`, before the first step; a resume has it saved."""

    def observe_divergence(self, step: int, update: Update, divergence: float) -> None:
        """Takes in KL(policy || reference) of an "sft" update that `measures` it, just before its norm, if it has one.

        The mean over all demonstration tokens, in nats, of the policy as it is before the update.
        """

    def observe_norm(self, step: int, update: Update, grad_norm: float) -> None:
        """Takes in the global gradient norm of `step` before clipping; nan: the step was skipped."""

    def rescale_progress(self, factor: float) -> None:
        """Takes in that a resume has other limits than the run had: what was progress p is `factor` * p from now on."""

    def state_dict(self) -> dict[str, Json]:
        """All that a resume needs, JSON values only; the phases too, since `steps` may have become more by then."""
        return {name: getattr(self, name) for name in self.remembered.split()}

    def load_state_dict(self, state: Mapping[str, Json]) -> None:
        """Takes up what `state_dict` returned."""
        for name in self.remembered.split():
            setattr(self, name, state[name])
