"""task=doctor: proves on this machine that an engine applies the gradients it is given. Takes about a minute.

A scripted run of the real trainer on the real engine, over made-up questions of unequal lengths, with plain gradient
descent in place of Adam: what an optimizer step took from the weights, divided by the learning rate, is the gradient
that arrived. It is compared with that of a plain copy of the model, row by row, in float32, without any engine.
"""

import os
import random
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object
from transformers import PreTrainedTokenizerBase, TrainerCallback

from hybrid_rl import console, environment, hardware_rules, models, sampling, trl_arguments
from hybrid_rl.methods.base import (
    Attempt,
    Attempts,
    Example,
    Group,
    Ids,
    Method,
    Result,
    Trace,
    Update,
    Verdict,
)
from hybrid_rl.methods.grpo import Grpo
from hybrid_rl.rewards import Solution
from hybrid_rl.rundir import RunDir, write_json
from hybrid_rl.settings import BudgetSettings, Settings
from hybrid_rl.trainer import HybridTrainer

Kind = Literal["rl", "sft"]
Weights = dict[str, torch.Tensor]
Row = tuple[Ids, Ids, float]
"""Context, target, and what the log-probability of the target's tokens counts in the loss."""

TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
"""Largest distance from the plain gradient, as a share of its norm. A lost micro-batch costs ten times that."""
RATE = 0.1
GROUP = 4
MICRO_BATCH = 2
CLIPPED = 0.01
_LONGEST = 12  # tokens of a made-up solution


@dataclass(frozen=True)
class Check:
    """One finding; `found` says it in numbers."""

    name: str
    passed: bool
    found: str


def run(settings: Settings, directory: RunDir) -> bool:
    """Whether all checks passed. All ranks enter; rank 0 shows them, and writes doctor.json."""
    found = list(checks(settings))
    passed = all(check.passed for check in found)
    if PartialState().is_main_process:
        facts = _facts(settings)
        rows = [(check.name, "pass" if check.passed else "FAIL", check.found) for check in found]
        verdict = "this engine can be trusted" if passed else "do not train with this engine here"
        console.show_checks(settings.hardware.name, facts, rows, verdict)
        write_json(
            directory.path / "doctor.json",
            {"passed": passed, "machine": facts, "checks": [vars(check) for check in found]},
        )
    return passed


def checks(settings: Settings) -> Iterator[Check]:
    """All of them, in order; the same on all ranks."""
    precision = "bfloat16" if settings.hardware.in_bfloat16 else "float32"
    most = TOLERANCE[precision]
    whole = _Trial(settings, ["sft", "rl"], micro_batch=None)
    for kind, off in zip(whole.kinds, whole.distances(), strict=True):
        name = "SFT" if kind == "sft" else "RL"
        yield Check(f"{name} gradient, one batch", off < most, _off(off))
    cut = _Trial(settings, ["sft", "rl", "rl", "sft"], MICRO_BATCH)
    count = cut.trainer.args.gradient_accumulation_steps
    windows = cut.distances()
    for index, kind in enumerate(cut.kinds[:2]):
        name = "SFT" if kind == "sft" else "RL"
        yield Check(
            f"{name} gradient, {count} micro-batches", windows[index] < most, _off(windows[index])
        )
    for index in (1, 3):
        name = "RL after SFT" if index == 1 else "SFT after RL"
        yield Check(f"consecutive windows, {name}", windows[index] < most, _off(windows[index]))
    naive = cut.distance(0, cut.mean_of_means())
    yield Check(
        "token mean over ranks and micro-batches",
        windows[0] < most < naive,
        f"{_off(windows[0])}; a mean of means would be off by {naive:.1g}",
    )
    clipped = _Trial(settings, ["sft", "rl"], MICRO_BATCH, max_grad_norm=CLIPPED)
    for index, kind in enumerate(clipped.kinds):
        true, read, applied = clipped.norms(index)
        right = abs(read / true - 1) < most and abs(applied / CLIPPED - 1) < most
        yield Check(
            f"norm before clipping, {'SFT' if kind == 'sft' else 'RL'}",
            right,
            f"read {read:.5g}, true {true:.5g}; clipped to {applied:.4g}, wanted {CLIPPED}",
        )
    same = len(set(gather_object([clipped.fingerprint()]))) == 1
    yield Check("the same weights on all ranks", same, "equal" if same else "they differ")
    yield _generation(clipped, compare=precision == "float32")


class _Trial:
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
        # accelerate keeps the first DeepSpeed configuration of a process; each trial has its own.
        AcceleratorState._reset_state()
        arguments = trl_arguments.build(self.settings, self.settings.batch)
        arguments.save_strategy = "no"
        self.tokenizer = models.load_tokenizer(settings.model)
        model = models.load_model(settings.model)
        self.eos_ids = models.eos_token_ids(settings.model, self.tokenizer, model)
        self.examples = _examples(self.tokenizer, 4 * settings.hardware.world_size)
        self.grader = _Grader()
        self.method = _Script(self.settings.method, self.examples, kinds)
        self.trainer = _Plain(
            model=model,
            args=arguments,
            tokenizer=self.tokenizer,
            eos_ids=self.eos_ids,
            method=self.method,
            examples=self.examples,
            grader=self.grader,  # type: ignore[arg-type] # of the same shape
            settings=self.settings,
            batch=self.settings.batch,
            recorder=_Silent(),
        )
        self.before: list[Weights] = []
        self.after: list[Weights] = []
        self.trainer.add_callback(_Watch(self))
        self.trainer.train()
        # Not loaded but built: under ZeRO-3 transformers would cut what it loads.
        with torch.random.fork_rng(devices=[]):
            self.plain = type(model)(model.config).float().to(PartialState().device)

    def rows(self, step: int) -> list[Row]:
        """What step `step` learned from, on all ranks."""
        if self.kinds[step] == "sft":
            pairs = [(e.prompt_ids, (*_trace(e), self.trainer.end_id)) for e in self.examples]
            tokens = sum(len(target) for _, target in pairs)
            return [(*pair, 1 / tokens) for pair in pairs]
        by_id = {example.id: example for example in self.examples}
        asked = [by_id[name] for name in self.method.asked[step]]
        rows = []
        for example in asked:
            targets = [(*ids, self.trainer.end_id) for ids in _completions(self.examples, example)]
            rewards = [_reward(self.tokenizer.decode(ids[:-1])) for ids in targets]
            mean = sum(rewards) / GROUP
            rows += [
                (example.prompt_ids, ids, (reward - mean) / len(ids) / (GROUP * len(asked)))
                for ids, reward in zip(targets, rewards, strict=True)
            ]
        return rows

    def mean_of_means(self) -> list[Row]:
        """Step 0 with the mean of the means of micro-batches and ranks, as published code has it."""
        ranks, count = (
            self.settings.hardware.world_size,
            self.trainer.args.gradient_accumulation_steps,
        )
        rows = self.rows(0)
        parts = [rows[rank::ranks][part::count] for rank in range(ranks) for part in range(count)]
        parts = [part for part in parts if part]
        return [
            (context, target, 1 / sum(len(t) for _, t, _ in part) / len(parts))
            for part in parts
            for context, target, _ in part
        ]

    def gradient(self, step: int, rows: Sequence[Row]) -> torch.Tensor:
        """Of a plain model with the weights before step `step`."""
        for name, weight in self.plain.named_parameters():
            weight.data.copy_(self.before[step][name])
        self.plain.zero_grad()
        for context, target, share in rows:
            ids = torch.tensor([(*context, *target)], device=self.plain.device)
            log_probs = self.plain(ids).logits[0, len(context) - 1 : -1].log_softmax(-1)
            chosen = log_probs.gather(-1, ids[0, len(context) :].unsqueeze(-1))
            (-share * chosen.sum()).backward()
        return torch.cat([weight.grad.flatten() for weight in self.plain.parameters()])

    def applied(self, step: int) -> torch.Tensor:
        """What the engine took from the weights, as a gradient."""
        return torch.cat(
            [
                (self.before[step][name] - self.after[step][name]).flatten() / RATE
                for name, _ in self.plain.named_parameters()
            ]
        )

    def distance(self, step: int, rows: Sequence[Row]) -> float:
        """Between what was applied and the gradient of `rows`, as a share of the norm of the latter."""
        true = self.gradient(step, rows)
        return float((self.applied(step) - true).norm() / true.norm())

    def distances(self) -> list[float]:
        return [self.distance(step, self.rows(step)) for step in range(len(self.kinds))]

    def norms(self, step: int) -> tuple[float, float, float]:
        """The true one, the one that the method read, and that of what was applied."""
        true = float(self.gradient(step, self.rows(step)).norm())
        return true, self.method.norms[step], float(self.applied(step).norm())

    def fingerprint(self) -> int:
        """Of this rank's weights at the end."""
        weights = [self.after[-1][name].cpu().numpy().tobytes() for name in sorted(self.after[-1])]
        return zlib.crc32(b"".join(weights))


def _generation(trial: _Trial, compare: bool) -> Check:
    """Greedy completions, with nothing to do for all ranks but the first: none may hang, and they must be right."""
    prompts = [example.prompt_ids for example in trial.examples]
    greedy = sampling.Sampling(0.0, 1.0, 0, 8)
    mine = prompts if PartialState().is_main_process else []
    drawn = trial.trainer.sample(mine, greedy)
    for name, weight in trial.plain.named_parameters():
        weight.data.copy_(trial.after[-1][name])
    pad = trial.tokenizer.pad_token_id
    # On all ranks: under ZeRO-3 transformers keeps them in step in any generation, also that of a plain model.
    expected = sampling.generate(trial.plain, prompts, greedy, trial.eos_ids, pad, len(prompts))
    equal = sum(ours == plain for ours, plain in zip(drawn, expected, strict=False))
    shares = gather_object([(equal, len(mine), len(drawn))])
    same, asked, given = (sum(numbers) for numbers in zip(*shares, strict=True))
    words = f"{same} of {asked} as the plain model's"
    if not compare:
        return Check("generation, other ranks idle", asked == given, f"{words}; rounded, so any")
    return Check("generation, other ranks idle", same == asked == given, words)


class _Plain(HybridTrainer):
    """Descends the gradient as it is."""

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=RATE)
        return self.optimizer


class _Watch(TrainerCallback):
    """Takes down the weights around every step."""

    def __init__(self, trial: _Trial) -> None:
        self.trial = trial

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self.trial.before.append(_weights(self.trial.trainer))

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.trial.after.append(_weights(self.trial.trainer))


def _weights(trainer: HybridTrainer) -> Weights:
    """Whole and in float32, also where the engine keeps them in parts, or a rounded copy beside them."""
    full = torch.Tensor.detach
    if trainer.is_deepspeed_enabled:
        from deepspeed.utils import safe_get_full_fp32_param as full  # noqa: PLC0415 - optional
    named = trainer.accelerator.unwrap_model(trainer.model_wrapped).named_parameters()
    return {name: full(weight).float().clone() for name, weight in named}


class _Script(Method):
    """Given updates over given solutions; remembers what it is told."""

    class Settings(Grpo.Settings):
        pass

    def __init__(self, settings: Any, examples: Sequence[Example], kinds: Sequence[Kind]) -> None:
        super().__init__(settings, {e.id: e for e in examples}, seed=0, steps=len(kinds))
        self.all, self.kinds = examples, kinds
        self.norms: list[float] = []
        self.asked: dict[int, list[str]] = {}

    def next_update(self, step: int) -> Update:
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
    """Rewards that depend on the text alone."""

    def __init__(self) -> None:
        self.calls = 0
        self.errors = 0
        self.outcomes: Counter[str] = Counter()

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        return [Verdict("wrong", _reward(solution.text)) for solution in solutions]


class _Silent:
    """A recorder that keeps nothing."""

    def update(self, metrics: dict[str, Any], decision: dict[str, Any]) -> None: ...

    def rollouts(self, step: int, rows: list[dict[str, Any]]) -> None: ...

    def evaluate(self, step: int, axes: Mapping[str, float]) -> None: ...

    def checkpoint(self, directory: Path) -> None: ...


def _reward(text: str) -> float:
    return zlib.crc32(text.encode()) % 5 / 4


def _trace(example: Example) -> Ids:
    assert example.trace is not None, "made-up questions have traces"
    return example.trace.ids


def _examples(tokenizer: PreTrainedTokenizerBase, count: int) -> list[Example]:
    """Random tokens; solutions of 1 to 12 tokens, so that ranks and micro-batches differ in their numbers of them."""
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
    """The group of `example`: solutions of others."""
    first = [e.id for e in examples].index(example.id)
    return [_trace(examples[(first * GROUP + k) % len(examples)]) for k in range(GROUP)]


def _small(
    settings: Settings, steps: int, micro_batch: int | None, max_grad_norm: float
) -> Settings:
    """The user's engine and model, and nothing else of theirs."""
    size, train = settings.hardware.world_size, settings.train
    plain = {"learning_rate": RATE, "schedule": "constant", "warmup": 0.0}
    loss = {"loss": "grpo", "scale_rewards": "none", "beta": 0.0, "entropy_bonus": 0.0}
    rl = train.rl.model_copy(update={**plain, **loss, "ref_sync_steps": None, "temperature": 1.0})
    sft = train.sft.model_copy(update={**plain, "batch_size": 4 * size})
    small = {"steps": steps, "prompts_per_step": 2 * size, "max_completion_tokens": _LONGEST + 1}
    never = {"save_every": None, "eval_every": None, "weight_decay": 0.0, "rollouts_every": 10**9}
    changed = {**small, **never, "max_grad_norm": max_grad_norm, "rl": rl, "sft": sft}
    return settings.model_copy(
        update={
            "trl": {},
            "method_target": "hybrid_rl.methods.grpo.Grpo",
            "method": Grpo.Settings(name="doctor", group_size=GROUP),
            "train": train.model_copy(update=changed),
            "budget": BudgetSettings(**dict.fromkeys(BudgetSettings.model_fields)),
            "hardware": settings.hardware.model_copy(update={"micro_batch": micro_batch}),
        }
    )


def _facts(settings: Settings) -> dict[str, str]:
    """What this is about: versions, devices, memory, and what is known against them."""
    hardware = settings.hardware
    described = environment.describe(Path.cwd())
    names = ["torch", "transformers", "trl", "accelerate", "deepspeed"]
    packages = {name: described["packages"].get(name, "not installed") for name in names}
    facts = {"python": described["python"], **packages}
    if hardware.device == "cuda":
        count = torch.cuda.device_count()
        gib = [torch.cuda.get_device_properties(i).total_memory / 2**30 for i in range(count)]
        facts["devices"] = ", ".join(
            f"{torch.cuda.get_device_name(i)} ({gib[i]:.0f} GiB)" for i in range(count)
        )
    else:
        facts["devices"] = f"CPU, {described['cpu_count']} cores"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts["memory"] = f"{memory:.0f} GiB"
    facts["processes"] = f"{hardware.world_size} on {hardware.nodes} node(s)"
    facts["precision"] = "bfloat16" if hardware.in_bfloat16 else "float32"
    if "deepspeed" in described["packages"]:
        bad = hardware_rules.known_bad(packages["deepspeed"], 2, offloads=True)
        facts["ZeRO-1/2 with offload"] = f"refused: {bad}" if bad else "nothing known against it"
    return facts


def _off(distance: float) -> str:
    return f"off by {distance:.1g}"
