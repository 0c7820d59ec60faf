"""check=true: validates what needs no weights, estimates the work and the memory, prints one table.

Upper bounds where a length is not known before it is sampled. `work` and `memory` are pure; `check` loads the data,
the tokenizer and the model's configuration, never its weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from rich.console import Console
from rich.table import Table
from transformers import AutoConfig

from hybrid_rl.config.model import ModelSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.data.encoding import encode
from hybrid_rl.data.splits import load_questions
from hybrid_rl.errors import DataError, SettingsError
from hybrid_rl.models import loading
from hybrid_rl.recording.budget import UpdateCost
from hybrid_rl.types import Example
from hybrid_rl.verification.grader import Grader

Row = tuple[str, str, str]
"""Quantity, value, how it comes about."""
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Lengths:
    """Mean tokens per question of the training set."""

    prompt: float
    trace: float
    """Of the questions that have one, with the end-of-sequence token."""
    traces: int
    """Questions that have one."""


@dataclass(frozen=True)
class Work:
    """What training does at most, over all devices."""

    sft_steps: int
    """The fewest: RL steps cost more."""
    sft_steps_expected: int
    rl_steps: int
    prompts: int
    rollouts: int
    """Of groups; those of a method that searches come on top."""
    extra_rollouts: int
    generated_tokens: int
    trained_tokens: int
    traces: int
    """Distinct questions whose trace may be used."""
    trace_tokens: int
    flops: float | None
    """None where the number of parameters is not known."""
    opening: dict[str, float]
    """Budget axis -> what of it the SFT steps that come before all others take."""


@dataclass(frozen=True)
class Shape:
    """What the size of logits and of the KV cache depends on."""

    layers: int
    vocabulary: int
    key_value_width: int
    """Numbers per token and layer in the keys, as many again in the values."""


def check(settings: Settings) -> None:
    """Print the table; raises SettingsError for data that a run would refuse, or that is out of reach.

    The table then has the limits of the settings, and no evaluation, whose sizes are not known.
    """
    refused: DataError | None = None
    with Grader(settings.reward) as grader:
        try:
            lengths, sizes, notes = _read(settings, grader)
        except DataError as error:
            refused, sizes = error, {}
            lengths = _limits(settings, settings.train.steps * settings.train.prompts_per_step)
            notes = ["the data could not be used: lengths are the limits of the settings"]
    parameters = loading.parameters(settings.model)
    table = Table("quantity", "value", "how it comes about", title=settings.name)
    if settings.task == "train":
        most = work(settings, lengths, parameters)
        for row in [*_work_rows(settings, most), *budget_rows(settings, most)]:
            table.add_row(*row)
    for row in [*_evaluation_rows(settings, sizes), *_memory_rows(settings, parameters)]:
        table.add_row(*row)
    console = Console(highlight=False)
    console.print(table)
    for note in notes:
        console.print(f"- {note}", markup=False)
    if refused is not None:
        raise SettingsError(str(refused)) from refused
    console.print("Settings and data are valid; nothing was run.")


def lengths_of(examples: Sequence[Example]) -> Lengths:
    traces = [len(example.trace.ids) + 1 for example in examples if example.trace is not None]
    return Lengths(
        prompt=_mean([len(example.prompt_ids) for example in examples]),
        trace=_mean(traces),
        traces=len(traces),
    )


def work(settings: Settings, lengths: Lengths, parameters: int | None) -> Work:
    """An upper bound: every completion at full length, every search to its end, and an RL step where results or chance
    decide on the kind, unless SFT costs more there."""
    train, method = settings.train, settings.method_class
    expected = method.expected_sft_steps(settings.method, train.steps)
    fewest = method.fewest_sft_steps(settings.method, train.steps)
    rl_steps = train.steps - fewest
    prompts = rl_steps * train.prompts_per_step
    rollouts = prompts * (settings.group_size or 0)
    extra = prompts * method.extra_rollouts(settings.method)
    sft, rl = _sft_cost(settings, lengths), _rl_cost(settings, lengths)

    def total(sft_step: float, rl_step: float) -> float:
        open_step = rl_step if fewest == expected else max(sft_step, rl_step)
        return fewest * sft_step + rl_steps * open_step

    # A method that learns from traces in RL updates, not in SFT updates, may come to use all of them.
    most_sft = expected if fewest == expected else train.steps
    shown = most_sft * settings.sft_batch[1]
    if not expected or method.extra_rollouts(settings.method):
        shown = lengths.traces if method.needs_traces else 0
    traces = min(lengths.traces, shown)
    opening = method.opening_sft_steps(settings.method, train.steps)
    return Work(
        sft_steps=fewest,
        sft_steps_expected=expected,
        rl_steps=rl_steps,
        prompts=prompts,
        rollouts=rollouts,
        extra_rollouts=extra,
        generated_tokens=round(total(sft.generated_tokens, rl.generated_tokens)),
        trained_tokens=round(total(sft.trained_tokens, rl.trained_tokens)),
        traces=traces,
        trace_tokens=round(traces * lengths.trace),
        flops=None if parameters is None else total(sft.flops(parameters), rl.flops(parameters)),
        opening={
            "trained_tokens": opening * sft.trained_tokens,
            "flops": opening * sft.flops(parameters or 0),
        },
    )


def _sft_cost(settings: Settings, lengths: Lengths) -> UpdateCost:
    """Of one step."""
    batch = settings.sft_batch[1]
    return UpdateCost(
        trained_tokens=round(batch * lengths.trace),
        backward_tokens=round(batch * (lengths.prompt + lengths.trace)),
    )


def _rl_cost(settings: Settings, lengths: Lengths) -> UpdateCost:
    """Of one step at most; a search samples, and what it samples beyond a group is not trained on."""
    train = settings.train
    rows = train.prompts_per_step * (settings.group_size or 0)
    extra = train.prompts_per_step * settings.method_class.extra_rollouts(settings.method)
    read = round(rows * (lengths.prompt + train.max_completion_tokens))
    return UpdateCost(
        prompt_tokens=round((rows + extra) * lengths.prompt),
        generated_tokens=(rows + extra) * train.max_completion_tokens,
        trained_tokens=rows * train.max_completion_tokens,
        backward_tokens=read,
        reference_tokens=read if train.rl.beta else 0,
    )


def memory(settings: Settings, parameters: int, shape: Shape) -> dict[str, float]:
    """Bytes per device, by what they hold; activations, which kernels and checkpointing decide, are not in it."""
    model, hardware, train = settings.model, settings.hardware, settings.train
    zero = (hardware.deepspeed or {}).get("zero_optimization", {}).get("stage", 0)
    weights = float(parameters * _BYTES[model.dtype])
    sharded = [weights / (hardware.world_size if zero >= stage else 1) for stage in (1, 2, 3)]
    found = {"weights": sharded[2]}
    if settings.task == "train" and model.lora is None:
        found |= {"gradients": sharded[1], "Adam": 2 * sharded[0]}
        if train.rl.beta:
            found["reference model"] = weights
    tokens = settings.data.max_prompt_tokens + train.max_completion_tokens
    if settings.task == "train":
        # float32, and as much again for their gradient
        found["logits"] = 8.0 * settings.batch.micro_batch * tokens * shape.vocabulary
    numbers = hardware.generation_batch * tokens * shape.layers * 2 * shape.key_value_width
    return found | {"KV cache": float(numbers * _BYTES[model.dtype])}


def _read(settings: Settings, grader: Grader) -> tuple[Lengths, dict[str, int], list[str]]:
    """Lengths of the training set, questions per set, and what there is to say.

    Without a tokenizer, which may be on a hub out of reach, lengths are the limits of the settings.
    """
    train = settings.task == "train"
    needs_traces = train and settings.method_class.needs_traces
    questions = load_questions(settings.data, grader, needs_traces, train)
    sizes = {name: len(rows) for name, rows in questions.test.items()} | {"dev": len(questions.dev)}
    try:
        tokenizer = loading.load_tokenizer(settings.model)
    except SettingsError as error:
        traces = sum(question.trace is not None for question in questions.train)
        notes = [*questions.notes, f"lengths not checked, limits taken instead: {error}"]
        return _limits(settings, traces), sizes, notes
    examples = encode(
        questions,
        tokenizer,
        settings.data,
        grader.answer_start,
        settings.train.max_completion_tokens,
        settings.train.on_long_trace,
    )
    sizes = {name: len(rows) for name, rows in examples.test.items()} | {"dev": len(examples.dev)}
    return lengths_of(examples.train), sizes, [*questions.notes, *examples.notes]


def _limits(settings: Settings, traces: int) -> Lengths:
    return Lengths(settings.data.max_prompt_tokens, settings.train.max_completion_tokens, traces)


def _work_rows(settings: Settings, work: Work) -> Iterator[Row]:
    train = settings.train
    kinds = f"{work.sft_steps:,} SFT + {work.rl_steps:,} RL"
    if work.sft_steps < work.sft_steps_expected:
        kinds = f"from {kinds}, the bound below, to about {work.sft_steps_expected:,} SFT"
    yield "optimizer steps", f"{train.steps:,}", kinds
    yield "batch", f"{settings.batch.rows_per_device:,} per device", settings.batch.explain()
    if work.rl_steps:
        yield "prompts", f"{work.prompts:,}", f"{work.rl_steps:,} steps x {train.prompts_per_step}"
        yield "rollouts", f"{work.rollouts:,}", f"x {settings.group_size} per prompt"
        if work.extra_rollouts:
            extra = work.extra_rollouts // work.prompts
            how = f"at most: x {extra} per prompt that fails"
            yield "rollouts of searches", f"{work.extra_rollouts:,}", how
        limit = f"at most: x {train.max_completion_tokens} tokens"
        yield "generated tokens", f"{work.generated_tokens:,}", limit
    yield "trained tokens", f"{work.trained_tokens:,}", "at most: completions and traces"
    yield "traces", f"{work.traces:,}", f"distinct, at most; {work.trace_tokens:,} tokens"
    if work.flops is not None:
        yield "FLOPs", f"{work.flops:.2e}", "at most: 2 per parameter and token forward, 4 backward"


def budget_rows(settings: Settings, work: Work) -> Iterator[Row]:
    """What each limit buys at least, were every completion of full length and every search long."""
    totals = {
        "generated_tokens": work.generated_tokens,
        "trained_tokens": work.trained_tokens,
        "flops": work.flops,
    }
    for axis, limit in settings.budget.model_dump().items():
        if limit is None:
            continue
        value = f"{limit:.2e}" if axis == "flops" else f"{limit:,}"
        if axis == "traces_used":
            bought = _until_traces(settings, work, limit)
        else:
            bought = _bought(settings, work, limit, totals.get(axis), work.opening.get(axis, 0.0))
        yield f"budget.{axis}", value, bought


def _bought(
    settings: Settings, work: Work, limit: float, total: float | None, opening: float
) -> str:
    """`total`: of all steps; `opening`: of the SFT steps that come first."""
    steps = settings.train.steps
    if total is None:
        return "not known beforehand"
    if total < limit:
        return f"not reached in {steps:,} steps"
    first = settings.method_class.opening_sft_steps(settings.method, steps)
    if limit <= opening:
        bought = ceil(limit / opening * first)
    else:
        bought = first + ceil((limit - opening) / (total - opening) * (steps - first))
    short = ", more if completions are short" if work.rl_steps else ""
    if work.extra_rollouts:
        short += " or fewer questions fail"
    return f"about {bought:,} of {steps:,} steps{short}"


def _until_traces(settings: Settings, work: Work, limit: float) -> str:
    """At most a batch of traces a step, or those of all questions of an RL step."""
    train = settings.train
    if work.traces < limit:
        return f"not reached: {work.traces:,} traces at most"
    most = settings.sft_batch[1] if work.sft_steps_expected else 0
    if not work.sft_steps_expected or work.extra_rollouts:
        most = max(most, train.prompts_per_step)
    return f"{ceil(limit / most):,} of {train.steps:,} steps at least"


def _evaluation_rows(settings: Settings, sizes: Mapping[str, int]) -> Iterator[Row]:
    evaluation = settings.eval
    times = 1 + (settings.task == "train" and evaluation.before)
    for name in (name for name in evaluation.sets if name in sizes):
        questions = min(sizes[name], evaluation.limit or sizes[name])
        solutions = questions * (1 + evaluation.samples) * times
        how = f"{questions:,} questions x (1 greedy + {evaluation.samples} sampled) x {times}"
        yield f"evaluation: {name}", f"{solutions:,} solutions", how


def _memory_rows(settings: Settings, parameters: int | None) -> Iterator[Row]:
    if parameters is None:
        yield "memory", "unknown", "the model's configuration could not be read"
        return
    sizes = memory(settings, parameters, _shape(settings.model))
    for name, size in sizes.items():
        yield f"memory: {name}", f"{size / 2**20:,.1f} MiB", "per device"
    total = sum(sizes.values()) / 2**20
    yield "memory: sum", f"{total:,.1f} MiB", f"without activations; {parameters:,} parameters"


def _shape(settings: ModelSettings) -> Shape:
    """From the model's configuration, which `models.parameters` has read by now."""
    gguf = {} if settings.gguf_file is None else {"gguf_file": settings.gguf_file}
    config = AutoConfig.from_pretrained(
        loading.location(settings), trust_remote_code=settings.trust_remote_code, **gguf
    )
    heads = config.num_attention_heads
    head_width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return Shape(
        layers=config.num_hidden_layers,
        vocabulary=config.vocab_size,
        key_value_width=head_width * (getattr(config, "num_key_value_heads", None) or heads),
    )


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
