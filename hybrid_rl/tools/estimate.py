"""Estimates the work and the memory of a run from its settings and a few lengths; loads no data, tokenizer or model.

Figures are upper bounds where a length is not known before it is sampled. `check` prints them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from statistics import fmean

from hybrid_rl.config.settings import Settings
from hybrid_rl.methods.base import MethodSettings, Plan
from hybrid_rl.recording import budget
from hybrid_rl.recording.budget import UpdateCost
from hybrid_rl.types import Example

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Lengths:
    """Mean tokens per question of the training set."""

    prompt: float
    trace: float
    """The mean over the questions that have a trace, with its end-of-sequence token."""
    traces: int
    """How many questions have a trace."""
    questions: int | None = None
    """How many questions there are; None: it is not known."""
    longest_prompt: int | None = None
    """Tokens of the longest prompt of all sets; None: it is not known."""


@dataclass(frozen=True)
class Work:
    """What training does at most, over all devices."""

    steps: int
    ended_by: str | None
    """The axis of the budget that ends the run after so many steps; None: train.steps does."""
    until: dict[str, float]
    """The steps after which the limit of a budget would end the run, by its axis, as far as they are known."""
    sft_steps: int
    """The fewest SFT steps: the bound has RL steps in their place, which cost more."""
    sft_steps_expected: int
    rl_steps: int
    prompts: int
    rollouts: int
    """Rollouts of the groups that are trained on."""
    extra_rollouts: int
    """Rollouts of a method that searches, which come on top."""
    generated_tokens: int
    trained_tokens: int
    traces: int
    """Distinct questions whose trace may be used."""
    trace_tokens: int
    flops: float | None
    """Floating-point operations; None where the number of parameters is not known."""


@dataclass(frozen=True)
class Shape:
    """What the size of logits and of the KV cache depends on."""

    layers: int
    vocabulary: int
    key_value_width: int
    """Numbers per token and layer in the keys, as many again in the values."""


def lengths_of(examples: Sequence[Example]) -> Lengths:
    """The lengths of an encoded training set."""
    traces = [len(example.trace.ids) + 1 for example in examples if example.trace is not None]
    prompts = [len(example.prompt_ids) for example in examples]
    return Lengths(fmean(prompts or [0]), fmean(traces or [0]), len(traces), len(examples))


def work(settings: Settings, lengths: Lengths, parameters: int | None) -> Work:
    """The most work that the run may be, until train.steps or a limit of `budget` ends it.

    Every completion is counted at full length and every search to its end; a step whose kind results or chance decide
    is counted as RL, unless SFT costs more. Where a budget ends the run, shorter completions leave room for more steps.
    """
    train, method = settings.train, settings.method
    sft, rl = (
        _axes(cost, parameters)
        for cost in (_sft_cost(settings, lengths), _rl_cost(settings, lengths))
    )
    if lengths.questions:
        sft["epochs"], rl["epochs"] = _epochs_of_steps(settings, lengths.traces, lengths.questions)
    course = course_of(settings, sft, rl)
    plan, rl_steps = course.plan, course.steps - course.plan.fewest
    prompts = rl_steps * train.prompts_per_step

    def total(axis: str) -> float:
        return plan.fewest * sft[axis] + rl_steps * course.open_step[axis]

    # A method that learns from traces in RL updates, not in SFT updates, may come to use all of them.
    most_sft = plan.expected if plan.fewest == plan.expected else course.steps
    shown = most_sft * settings.sft_batch[1]
    if not plan.expected or method.extra_rollouts:
        shown = lengths.traces if settings.method_class.needs_traces else 0
    traces = min(lengths.traces, shown)
    return Work(
        steps=course.steps,
        ended_by=course.ended_by,
        until=course.until,
        sft_steps=plan.fewest,
        sft_steps_expected=plan.expected,
        rl_steps=rl_steps,
        prompts=prompts,
        rollouts=prompts * (method.group_size or 0),
        extra_rollouts=prompts * _extra_rollouts(settings),
        generated_tokens=round(total("generated_tokens")),
        trained_tokens=round(total("trained_tokens")),
        traces=traces,
        trace_tokens=round(traces * lengths.trace),
        flops=None if parameters is None else total("flops"),
    )


@dataclass(frozen=True)
class Course:
    """The course of a run whose updates of a kind all cost the same."""

    plan: Plan
    steps: int
    ended_by: str | None
    until: dict[str, float]
    open_step: dict[str, float]
    """The cost, by axis, of a step that is not sure to be SFT."""


def course_of(
    settings: Settings, sft: Mapping[str, float], rl: Mapping[str, float], *, expected: bool = False
) -> Course:
    """How far a run comes, given the costs of a step of each kind by axis, one of which is the steps themselves.

    A share of the run that opens it is one of whatever ends it (`recording.budget.progress`): where that is a budget,
    it has as many steps as the same share of a run of SFT alone. What follows keeps the mix that the method plans.
    `expected`: as many steps are SFT as the method expects, not as few as it may make, which is the bound.
    """
    steps, method = settings.train.steps, settings.method
    plan = method.plan(steps)
    all_limits = budget.limits_of(settings.model_dump()).items()
    limits = {axis: limit for axis, limit in all_limits if limit is not None and axis in sft}
    limits["steps"] = steps
    all_sft = int(min(limit / sft[axis] for axis, limit in limits.items() if sft[axis]))
    opening = plan.opening
    if opening and all_sft < steps:
        opening = _opening(method, max(1, all_sft))
    rest = steps - plan.opening
    surely = (plan.fewest - plan.opening) / rest if rest else 1.0
    likely = (plan.expected - plan.opening) / rest if rest else 1.0
    surely = likely if expected else surely
    sure = expected or plan.fewest == plan.expected
    open_step = {axis: rl[axis] if sure else max(sft[axis], rl[axis]) for axis in sft}
    until: dict[str, float] = {}
    for axis, limit in limits.items():
        left = limit - opening * sft[axis]
        step = surely * sft[axis] + (1 - surely) * open_step[axis]
        if left <= 0:
            until[axis] = limit / sft[axis]
        else:
            until[axis] = opening + left / step if step else inf
    first = min(until, key=lambda axis: until[axis])
    made = min(steps, ceil(until[first] - 1e-9))  # shares of an epoch are rounded
    opening = min(opening, made)
    after = made - opening
    found = Plan(opening, opening + round(surely * after), opening + round(likely * after))
    ended_by = first if until[first] < until.pop("steps") else None
    return Course(found, made, ended_by, until, open_step)


def _opening(method: MethodSettings, steps: int) -> int:
    """The SFT steps that open a run that a budget ends after `steps`; a count may be more than that, and fills it."""
    try:
        return max(1, method.plan(steps).opening)
    except ValueError:
        return steps


def _axes(cost: UpdateCost, parameters: int | None) -> dict[str, float]:
    """What one step takes of each axis that is known beforehand, steps among them."""
    known = {
        "steps": 1.0,
        "generated_tokens": float(cost.generated_tokens),
        "trained_tokens": float(cost.trained_tokens),
    }
    return known if parameters is None else known | {"flops": cost.flops(parameters)}


def _epochs_of_steps(settings: Settings, traces: int, questions: int) -> tuple[float, float]:
    """The share of a pass over the training set that an SFT step and an RL step are, as `Position.epochs` counts."""
    method = settings.method
    drawn = settings.train.prompts_per_step * method.candidates
    # A method with a batch of its own has chosen its examples before.
    taught = settings.train.sft.batch_size if method.sft_batch is None else 0
    # Rows that are there without any question are drawn from the demonstrations.
    beside = method.extra_rows(0)
    return taught / max(traces, 1), drawn / questions + beside / max(traces, 1)


def _sft_cost(settings: Settings, lengths: Lengths) -> UpdateCost:
    """The cost of one SFT step."""
    batch = settings.sft_batch[1]
    read = round(batch * (lengths.prompt + lengths.trace))
    return UpdateCost(
        trained_tokens=round(batch * lengths.trace),
        backward_tokens=read,
        reference_tokens=read if settings.method.needs_reference else 0,
    )


def _rl_cost(settings: Settings, lengths: Lengths) -> UpdateCost:
    """The most that one RL step costs; what a search samples beyond a group is read and drawn, not trained on."""
    train = settings.train
    rows = train.prompts_per_step * (settings.method.group_size or 0)
    extra = train.prompts_per_step * _extra_rollouts(settings)
    read = round(rows * (lengths.prompt + train.max_completion_tokens))
    others = settings.method.extra_rows(train.prompts_per_step)  # traces, or parts of them
    updates = train.rl.updates_per_batch
    return UpdateCost(
        prompt_tokens=round((rows + extra) * lengths.prompt),
        generated_tokens=(rows + extra) * train.max_completion_tokens,
        trained_tokens=updates
        * (rows * train.max_completion_tokens + round(others * lengths.trace)),
        backward_tokens=updates * (read + round(others * (lengths.prompt + lengths.trace))),
        reference_tokens=read if train.rl.beta else 0,
    )


def _extra_rollouts(settings: Settings) -> int:
    """The most rollouts per prompt beyond its group: those of a search, and of groups that other questions replace."""
    refill, search = settings.guards.refill, settings.method.extra_rollouts
    return search + refill * (search + (settings.method.group_size or 0))


def memory(
    settings: Settings, parameters: int, shape: Shape, longest_prompt: int | None = None
) -> dict[str, float]:
    """Bytes per device, by what they hold, without activations, which kernels and checkpointing decide.

    Prompts are counted with the tokens of the longest, or where that is not known with as many as they may have.

    ZeRO shares Adam's moments among devices from stage 1 on, gradients from stage 2, weights from stage 3.
    """
    model, hardware, train = settings.model, settings.hardware, settings.train
    zero = (hardware.deepspeed or {}).get("zero_optimization", {}).get("stage", 0)
    weights = float(parameters * _BYTES[model.dtype])
    sharded = [weights / (hardware.world_size if zero >= stage else 1) for stage in (1, 2, 3)]
    found = {"weights": sharded[2]}
    if settings.task == "train" and model.lora is None:
        found |= {"gradients": sharded[1], "Adam": 2 * settings.method.moment_sets * sharded[0]}
        if settings.has_reference:
            found["reference model"] = weights
    prompt = settings.data.max_prompt_tokens if longest_prompt is None else longest_prompt
    tokens = prompt + train.max_completion_tokens
    if settings.task == "train":
        # float32, and as much again for their gradient
        found["logits"] = 8.0 * settings.batch.micro_batch * tokens * shape.vocabulary
    numbers = hardware.generation_batch * tokens * shape.layers * 2 * shape.key_value_width
    return found | {"KV cache": float(numbers * _BYTES[model.dtype])}


def bought_by_budgets(settings: Settings, work: Work) -> dict[str, str]:
    """What the limit of every budget buys at least, in words, by its axis.

    It buys more than that where completions are not of full length or searches end early.
    """
    return {
        axis: (_until_traces if axis == "traces_used" else _bought)(settings, work, axis, limit)
        for axis, limit in budget.limits_of(settings.model_dump()).items()
        if limit is not None
    }


def _bought(settings: Settings, work: Work, axis: str, limit: float) -> str:
    """The steps that a limit buys, if no other ends the run before."""
    steps, until = settings.train.steps, work.until.get(axis)
    if until is None:
        return "not known beforehand"
    if until > steps:
        remedy = f"; train.steps={ceil(until - 1e-9)} reaches it" if axis == "epochs" else ""
        return f"not reached in {steps:,} steps{remedy}"
    told = f"about {ceil(until - 1e-9):,} of {steps:,} steps"
    if axis == "epochs":
        return told
    short = ", more if completions are short" if work.rl_steps else ""
    if work.extra_rollouts:
        short += " or fewer questions fail"
    return f"{told}{short}"


def _until_traces(settings: Settings, work: Work, _axis: str, limit: float) -> str:
    """The steps until so many traces are used: a step uses at most those of its batch, or of all its questions."""
    train = settings.train
    if work.traces < limit:
        return f"not reached: {work.traces:,} traces at most"
    most = settings.sft_batch[1] if work.sft_steps_expected else 0
    if not work.sft_steps_expected or work.extra_rollouts:
        most = max(most, train.prompts_per_step)
    return f"{ceil(limit / most):,} of {train.steps:,} steps at least"
