"""A scripted run of the real trainer whose every gradient is known, for the doctor's checks.

It trains on made-up questions of unequal lengths, with plain gradient descent in place of Adam: what an optimizer step
took from the weights, divided by the learning rate, is the gradient that arrived. The true one comes from a plain copy
of the model, row by row, rounded alike: in bfloat16 a defect is no larger than the distance to float32.
"""

import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Literal

import torch
from accelerate import PartialState
from transformers import PreTrainedTokenizerBase, TrainerCallback

from hybrid_rl.config.settings import Settings
from hybrid_rl.config.train import BudgetSettings
from hybrid_rl.methods.base import Method
from hybrid_rl.methods.grpo import GrpoSettings
from hybrid_rl.models import loading, upstream
from hybrid_rl.models.policy import Policy
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.recording.step_lines import Recorder
from hybrid_rl.tools.doctor.plain_model import PlainModel, WeightedDemonstration
from hybrid_rl.training import demonstrations
from hybrid_rl.training.arguments import build
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.types import Attempt, Attempts, Example, Group, Ids, Result, Trace, Update, Verdict
from hybrid_rl.verification.grader import Solution

Kind = Literal["rl", "sft"]
Weights = dict[str, torch.Tensor]

RATE = 0.1
GROUP = 4
_LONGEST = 12  # tokens of a made-up solution
_METHOD = GrpoSettings(name="doctor", group_size=GROUP)


class Trial:
    """Some optimizer steps of the given kinds, with the weights before and after each of them."""

    def __init__(
        self,
        settings: Settings,
        kinds: Sequence[Kind],
        micro_batch: int | None,
        max_grad_norm: float = 1e9,
    ) -> None:
        self.kinds = kinds
        self.settings = _small(settings, len(kinds), micro_batch, max_grad_norm)
        upstream.forget_engine()  # each trial has a DeepSpeed configuration of its own
        arguments = build(self.settings)
        arguments.save_strategy = "no"
        tokenizer = loading.load_tokenizer(settings.model)
        model = loading.load_model(self.settings.model)
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        self.dtype = trained[0].dtype
        """The type of the weights that are trained, as they were loaded."""
        self.unmoved = 0.0
        """The share of the weights that Adam's usual step, the user's train.rl.learning_rate, leaves as they are."""
        if not self.keeps_masters:
            self.unmoved = _unmoved(trained, settings.train.rl.learning_rate)
            model.float()  # what is lost to their rounding is told apart from what the engine does
        eos_ids = loading.eos_token_ids(settings.model, tokenizer, model)
        self.vocabulary = Vocabulary(tokenizer, eos_ids)
        self.examples = _examples(tokenizer, 4 * settings.hardware.world_size)
        self.method = _Script(_METHOD, self.examples, kinds)
        self.trainer = _Plain(
            args=arguments,
            policy=Policy(model, self.vocabulary, self.settings),
            method=self.method,
            examples=self.examples,
            grader=_Grader(),
            settings=self.settings,
            recorder=_Silent(),
        )
        self.before: list[Weights] = []
        self.after: list[Weights] = []
        self.trainer.add_callback(_WeightRecorder(self))
        self.trainer.train()
        named = dict(_named(self.trainer))
        with _gathered(list(named.values())):
            self.own = {name: weight.detach().clone() for name, weight in named.items()}
        self.plain = PlainModel(model, self.trainer.accelerator.autocast)
        self.plain.to(PartialState().device, {name: own.dtype for name, own in self.own.items()})
        self.plain.load({name: self.own[name] for name in named if not named[name].requires_grad})

    @property
    def keeps_masters(self) -> bool:
        """Whether updates are added up in float32: in the weights as loaded, or in DeepSpeed's copy."""
        return self.dtype == torch.float32 or self.settings.hardware.deepspeed is not None

    def rows(self, step: int) -> list[WeightedDemonstration]:
        """What all ranks together learned from in step `step`."""
        end_id = self.vocabulary.end_id
        if self.kinds[step] == "sft":
            taught = demonstrations.rows(self.examples, end_id)
            tokens = sum(len(row.target) for row in taught)
            return [WeightedDemonstration(*row, 1 / tokens) for row in taught]
        by_id = {example.id: example for example in self.examples}
        asked = [by_id[name] for name in self.method.asked[step]]
        rows: list[WeightedDemonstration] = []
        for example in asked:
            targets = [(*ids, end_id) for ids in _completions(self.examples, example)]
            rewards = [_reward(self.vocabulary.decode(ids[:-1])) for ids in targets]
            mean = sum(rewards) / GROUP
            for ids, reward in zip(targets, rewards, strict=True):
                share = (reward - mean) / len(ids) / (GROUP * len(asked))
                rows.append(WeightedDemonstration(example.prompt_ids, ids, share))
        return rows

    def mean_of_means(self) -> list[WeightedDemonstration]:
        """The rows of step 0, weighed as published code does: by a mean of means of micro-batches and ranks."""
        ranks = self.settings.hardware.world_size
        count = self.trainer.args.gradient_accumulation_steps
        rows = self.rows(0)
        parts = [rows[rank::ranks][part::count] for rank in range(ranks) for part in range(count)]
        parts = [part for part in parts if part]
        return [
            replace(row, share=1 / sum(len(one.target) for one in part) / len(parts))
            for part in parts
            for row in part
        ]

    def gradient(self, step: int, rows: Sequence[WeightedDemonstration]) -> torch.Tensor:
        """The gradient of a plain model that has the weights before step `step`."""
        self.plain.load(self.before[step])
        return self.plain.gradient(rows)

    def applied(self, step: int) -> torch.Tensor:
        """What the engine took from the weights, as a gradient."""
        before, after = self.before[step], self.after[step]
        return torch.cat([(before[name] - after[name]).flatten() / RATE for name in before])

    def distance(self, step: int, rows: Sequence[WeightedDemonstration]) -> float:
        """How far what was applied is from the gradient of `rows`, as a share of the norm of the latter."""
        true = self.gradient(step, rows)
        return float((self.applied(step) - true).norm() / true.norm())

    def distances(self) -> list[float]:
        """The distance of each step from the gradient that it should have applied."""
        return [self.distance(step, self.rows(step)) for step in range(len(self.kinds))]

    def norms(self, step: int) -> tuple[float, float, float]:
        """Three norms of a step: the true one, the one that the method read, and that of what was applied."""
        true = float(self.gradient(step, self.rows(step)).norm())
        return true, self.method.norms[step], float(self.applied(step).norm())

    def fingerprint(self) -> int:
        """A checksum of the weights that this rank computes with at the end, gathered where ZeRO-3 shards them."""
        flat = [self.own[name].contiguous().view(torch.uint8).cpu() for name in sorted(self.own)]
        return zlib.crc32(b"".join(weight.numpy().tobytes() for weight in flat))

    def off_masters(self) -> int:
        """How many tensors of this rank's weights are not the rounded ones of the optimizer."""
        masters = self.after[-1]
        return sum(not torch.equal(self.own[n], one.to(self.own[n])) for n, one in masters.items())


class _Plain(HybridTrainer):
    """A trainer that descends the gradient as it is."""

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        assert self.model is not None, "it was given one"
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=RATE)
        return self.optimizer


class _WeightRecorder(TrainerCallback):
    """A callback that takes down the weights before and after every step."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self.trial.before.append(_weights(self.trial.trainer))

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.trial.after.append(_weights(self.trial.trainer))


def _unmoved(weights: Sequence[torch.Tensor], rate: float) -> float:
    """The share of the weights that a step of `rate` is too small to change."""
    same = sum(int((weight - rate == weight).sum()) for weight in weights)
    return same / sum(weight.numel() for weight in weights)


def _named(trainer: HybridTrainer) -> Iterator[tuple[str, torch.nn.Parameter]]:
    model: torch.nn.Module = trainer.accelerator.unwrap_model(trainer.model_wrapped)
    return model.named_parameters()


def _gathered(weights: Sequence[torch.Tensor]) -> AbstractContextManager[None]:
    """A context in which each of the weights is whole, also where ZeRO-3 keeps a shard of it."""
    if not any(hasattr(weight, "ds_id") for weight in weights):
        return nullcontext()
    import deepspeed  # noqa: PLC0415 - only where it is used

    context: AbstractContextManager[None] = deepspeed.zero.GatheredParameters(weights)
    return context


def _weights(trainer: HybridTrainer) -> Weights:
    """The weights that are trained, whole and in float32, also where the engine has parts or rounded copies."""
    full: Any = torch.Tensor.detach
    if trainer.is_deepspeed_enabled:
        from deepspeed.utils import safe_get_full_fp32_param  # noqa: PLC0415 - only where it is used

        full = safe_get_full_fp32_param
    return {n: full(w).float().clone() for n, w in _named(trainer) if w.requires_grad}


class _Script(Method[GrpoSettings]):
    """A method that asks for given updates over given solutions, and remembers what it is told."""

    def __init__(
        self, settings: GrpoSettings, examples: Sequence[Example], kinds: Sequence[Kind]
    ) -> None:
        super().__init__(settings, {e.id: e for e in examples}, seed=0, steps=len(kinds))
        self.all = examples
        self.kinds = kinds
        self.norms: list[float] = []
        self.asked: dict[int, list[str]] = {}

    def next_update(self, step: int, progress: float) -> Update:
        kind = self.kinds[step]
        return Update(kind, examples=tuple(self.all)) if kind == "sft" else Update(kind)

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        given = [Attempt(e, completion=ids) for e in examples for ids in _completions(self.all, e)]
        rollouts = attempt(given)
        return [
            Group(e, tuple(rollouts[i * GROUP : (i + 1) * GROUP])) for i, e in enumerate(examples)
        ]

    def observe_results(self, step: int, results: Sequence[Result]) -> None:
        self.asked[step] = [result.example_id for result in results]

    def observe_norm(self, step: int, update: Update, grad_norm: float) -> None:
        self.norms.append(grad_norm)


class _Grader:
    """A grader whose rewards depend on the text alone."""

    calls = 0

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        return [Verdict("wrong", _reward(solution.text)) for solution in solutions]

    def verify_early(self, solution: Solution) -> None: ...


class _Silent(Recorder):
    """A recorder that keeps nothing."""

    def update(self, metrics: dict[str, Any], decision: dict[str, Any]) -> None: ...

    def alarm(self, record: Mapping[str, Any]) -> None: ...

    def rollouts(self, step: int, rows: list[dict[str, Any]]) -> None: ...

    def dev(self, step: int, line: Mapping[str, float]) -> None: ...


def _reward(text: str) -> float:
    """One of five rewards from 0 to 1, by the checksum of the text."""
    return zlib.crc32(text.encode()) % 5 / 4


def _examples(tokenizer: PreTrainedTokenizerBase, count: int) -> list[Example]:
    """Questions of random tokens with solutions of 1 to 12, so that ranks and micro-batches differ in their tokens."""
    draw = random.Random(0)
    usable = [i for i in range(min(len(tokenizer), 1000)) if i not in tokenizer.all_special_ids]
    made = []
    for index in range(count):
        prompt = tuple(draw.choices(usable, k=draw.randint(3, 6)))
        ids = tuple(draw.choices(usable, k=1 + index * (_LONGEST - 1) // (count - 1)))
        trace = Trace("", ids, tuple(range(len(ids))), 0)
        made.append(Example(f"made-up {index}", prompt, f"made-up {index}", "", trace))
    return made


def _completions(examples: Sequence[Example], example: Example) -> list[Ids]:
    """The rollouts of the group of `example`, which are the solutions of other examples."""
    first = [e.id for e in examples].index(example.id)
    solutions = [e.trace.ids for e in examples if e.trace is not None]
    return [solutions[(first * GROUP + k) % len(solutions)] for k in range(GROUP)]


def _small(
    settings: Settings, steps: int, micro_batch: int | None, max_grad_norm: float
) -> Settings:
    """Settings with the user's engine and model and nothing else of theirs: few steps of a loss that is known."""
    size, train = settings.hardware.world_size, settings.train
    plain = {"learning_rate": RATE, "schedule": "constant", "warmup": 0.0}
    loss = {"loss": "grpo", "scale_rewards": "none", "beta": 0.0, "entropy_bonus": 0.0}
    rl = train.rl.model_copy(update={**plain, **loss, "ref_sync_steps": None, "temperature": 1.0})
    sft = train.sft.model_copy(update={**plain, "batch_size": 4 * size})
    small = {"steps": steps, "prompts_per_step": 2 * size, "max_completion_tokens": _LONGEST + 1}
    never = {"save_every": None, "eval_every": None, "weight_decay": 0.0, "rollouts_every": 10**9}
    never |= {"epochs": None, "patience": None}
    changed = {**small, **never, "max_grad_norm": max_grad_norm, "rl": rl, "sft": sft}
    lora = settings.model.lora and settings.model.lora.model_copy(update={"dropout": 0.0})
    return settings.model_copy(
        update={
            "trl": {},
            "model": settings.model.model_copy(update={"lora": lora}),
            "rollout": settings.rollout.model_copy(
                update={"engine": "transformers", "dtype": settings.rollout.copy_dtype}
            ),
            "method_target": "hybrid_rl.methods.grpo.Grpo",
            "method": _METHOD,
            "train": train.model_copy(update=changed),
            # What is not finite is to fail the checks, not to end the trial.
            "guards": settings.guards.model_copy(update={"non_finite": "skip", "max_skips": steps}),
            "budget": BudgetSettings(**dict.fromkeys(BudgetSettings.model_fields)),
            "hardware": settings.hardware.model_copy(update={"micro_batch": micro_batch}),
        }
    )
