"""check=true: validates what needs no weights, and prints one table of the work and the memory that a run will take.

It loads the data, the tokenizer and the model's configuration, never its weights. The arithmetic is in `estimate`.
"""

from collections.abc import Container, Mapping
from dataclasses import replace

import psutil
import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoConfig

from hybrid_rl.config import toy
from hybrid_rl.config.model import ModelSettings
from hybrid_rl.config.resolvers import size_in, usual_rate
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.train import PhaseSettings
from hybrid_rl.data.encoding import Examples, encode
from hybrid_rl.data.possible import require_possible
from hybrid_rl.data.questions import Questions
from hybrid_rl.data.splits import load_questions
from hybrid_rl.errors import DataError, SettingsError
from hybrid_rl.models import loading
from hybrid_rl.recording.budget import limits_of, setting_of
from hybrid_rl.tools import estimate
from hybrid_rl.tools.estimate import Lengths, Shape, Work
from hybrid_rl.types import Kind
from hybrid_rl.verification.grader import Grader


def check_run(settings: Settings, typed: Container[str] = ()) -> None:
    """Prints the table; `typed`: keys that the user gave. Raises SettingsError for what a run would refuse.

    Where data are refused, the table has the limits of the settings, and no evaluation, whose sizes are not known.
    """
    refused: list[str] = []
    with Grader(settings.reward) as grader:
        try:
            lengths, sizes, notes = _read(settings, grader, refused)
        except DataError as error:
            refused.append(str(error))
            lengths = _limits(settings, settings.train.steps * settings.train.prompts_per_step)
            sizes = {}
            notes = ["the data could not be used: lengths are the limits of the settings"]
    parameters = None
    try:
        parameters = loading.parameters(settings.model)
    except SettingsError as error:
        refused.append(str(error))
    table = Table("quantity", "value", "how it comes about", title=settings.name)
    if settings.task == "train":
        _add_training(table, settings, typed)
        _add_work(table, settings, estimate.work(settings, lengths, parameters))
    _add_evaluation(table, settings, sizes)
    short = _add_memory(table, settings, parameters, lengths.longest_prompt)
    console = Console(highlight=False)
    console.print(table)
    for note in notes:
        console.print(f"- {note}", markup=False)
    for warning in filter(None, (toy.warning(settings, typed), _missing_devices(settings), short)):
        console.print(f"Warning: {warning}", markup=False)
    if refused:
        raise SettingsError("\n".join(dict.fromkeys(refused)))
    console.print("Settings and data are valid; nothing was run.")


def _missing_devices(settings: Settings) -> str | None:
    """A line where this machine lacks the GPUs; one may well plan here what is to run elsewhere."""
    hardware, found = settings.hardware, torch.cuda.device_count()
    if hardware.device == "cpu" or found >= hardware.processes:
        return None
    return (
        f"hardware.processes = {hardware.processes}: this machine has {found} GPUs that torch {torch.__version__} can"
        " use, so the run can start on another one only; or choose hardware=cpu"
    )


def _read(
    settings: Settings, grader: Grader, refused: list[str]
) -> tuple[Lengths, dict[str, int], list[str]]:
    """The lengths of the training set, the number of questions of every other set, and notes.

    Where the tokenizer cannot be used, that goes to `refused`, and lengths are the limits of the settings.
    """
    train = settings.task == "train"
    needs_traces = train and settings.method_class.needs_traces
    tokenizer = None
    try:
        tokenizer = loading.load_tokenizer(settings.model)
        if settings.model.eos_tokens is not None:
            loading.eos_token_ids(settings.model, tokenizer, None)
    except SettingsError as error:
        refused.append(str(error))
        tokenizer = None
    questions = load_questions(settings.data, grader, needs_traces, train)
    if tokenizer is None:
        traces = sum(one.trace is not None for one in questions.train)
        limits = _limits(settings, traces, len(questions.train))
        note = "the tokenizer could not be used: lengths are the limits of the settings"
        return limits, _sizes(questions), [*questions.notes, note]
    found = encode(questions, tokenizer, settings.data, settings.train, grader.answer_start)
    require_possible(settings, found)
    remarks = settings.method.remarks(found.train) if train else []
    remarks += [settings.stand_in] if settings.stand_in else []
    notes = [*questions.notes, *found.notes, *remarks]
    everything = [*found.train, *found.dev, *(one for rows in found.test.values() for one in rows)]
    longest = max((len(one.prompt_ids) for one in everything), default=None)
    lengths = replace(estimate.lengths_of(found.train), longest_prompt=longest)
    return lengths, _sizes(found), notes


def _sizes(data: Questions | Examples) -> dict[str, int]:
    return {name: len(rows) for name, rows in {"dev": data.dev, **data.test}.items()}


def _limits(settings: Settings, traces: int, questions: int | None = None) -> Lengths:
    prompt, trace = settings.data.max_prompt_tokens, settings.train.max_completion_tokens
    return Lengths(prompt, trace, traces, questions)


def _add_training(table: Table, settings: Settings, typed: Container[str]) -> None:
    """What fits a model of one size and not of another: both learning rates, and lengths."""
    train, kept = settings.train, toy.kept(settings, typed)
    lora = ", of adapters" if settings.model.lora is not None else ""
    phases: list[tuple[Kind, PhaseSettings]] = [("rl", train.rl), ("sft", train.sft)]
    for kind, phase in phases:
        key = f"train.{kind}.learning_rate"
        how = "the toy's" if key in kept else f"{_course(phase)}{lora}"
        usual = usual_rate(kind, settings.model.path, settings.model.lora)
        if phase.learning_rate == usual and size_in(settings.model.path) is None:
            how += "; as for a large model, since the name of model.path states no size"
        table.add_row(f"learning rate of {kind.upper()}", f"{phase.learning_rate:g}", how)
    key = "train.max_completion_tokens"
    how = "the toy's" if key in kept else key
    table.add_row("longest completion", f"{train.max_completion_tokens:,} tokens", how)
    longest = f"{settings.data.max_prompt_tokens:,} tokens"
    table.add_row("longest prompt", longest, "data.max_prompt_tokens")


def _course(phase: PhaseSettings) -> str:
    if not phase.warmup:
        return phase.schedule
    rise = f"{phase.warmup:.0%}" if phase.warmup < 1 else f"{phase.warmup:,} steps"
    return f"{phase.schedule}, after a warm-up over {rise}"


def _add_work(table: Table, settings: Settings, work: Work) -> None:
    train = settings.train
    kinds = f"{work.sft_steps:,} SFT + {work.rl_steps:,} RL"
    if work.sft_steps < work.sft_steps_expected:
        kinds = f"from {kinds}, the bound below, to about {work.sft_steps_expected:,} SFT"
    if work.ended_by is not None:
        more = (
            " or later, if completions are short"
            if work.rl_steps and work.ended_by != "epochs"
            else ""
        )
        kinds += f"; then {setting_of(work.ended_by)} ends it{more}, before {train.steps:,} steps"
    if train.patience is not None:
        kinds += f"; fewer if {train.patience:,} looks at dev find nothing better"
    table.add_row("optimizer steps", f"{work.steps:,}", kinds)
    batch = settings.batch
    table.add_row("batch", f"{batch.rows_per_device:,} per device", batch.explain())
    if work.rl_steps:
        steps = f"{work.rl_steps:,} steps x {train.prompts_per_step}"
        table.add_row("prompts", f"{work.prompts:,}", steps)
        per_prompt = f"x {settings.method.group_size} per prompt"
        table.add_row("rollouts", f"{work.rollouts:,}", per_prompt)
        if work.extra_rollouts:
            extra = work.extra_rollouts // work.prompts
            how = f"at most: x {extra} per prompt that fails"
            name = "rollouts of searches" + (" and refills" if settings.guards.refill else "")
            table.add_row(name, f"{work.extra_rollouts:,}", how)
        limit = f"at most: x {train.max_completion_tokens} tokens"
        table.add_row("generated tokens", f"{work.generated_tokens:,}", limit)
    table.add_row("trained tokens", f"{work.trained_tokens:,}", "at most: completions and traces")
    table.add_row("traces", f"{work.traces:,}", f"distinct, at most; {work.trace_tokens:,} tokens")
    if work.flops is not None:
        how = "at most: 2 per parameter and token forward, 4 backward"
        table.add_row("FLOPs", f"{work.flops:.2e}", how)
    for axis, bought in estimate.bought_by_budgets(settings, work).items():
        bound = limits_of(settings.model_dump())[axis]
        table.add_row(setting_of(axis), f"{bound:.2e}" if axis == "flops" else f"{bound:,}", bought)


def _add_evaluation(table: Table, settings: Settings, sizes: Mapping[str, int]) -> None:
    evaluation = settings.eval
    times = 1 + (settings.task == "train" and evaluation.before)
    for name in (name for name in evaluation.sets if name in sizes):
        questions = min(sizes[name], evaluation.limit or sizes[name])
        solutions = questions * (1 + evaluation.samples) * times
        how = f"{questions:,} questions x (1 greedy + {evaluation.samples} sampled) x {times}"
        table.add_row(f"evaluation: {name}", f"{solutions:,} solutions", how)


def _add_memory(
    table: Table, settings: Settings, parameters: int | None, longest_prompt: int | None
) -> str | None:
    """Adds the rows; returns a line where the processes of a CPU run need more than this machine has."""
    if parameters is None:
        table.add_row("memory", "unknown", "the model's configuration could not be read")
        return None
    sizes = estimate.memory(settings, parameters, _shape(settings.model), longest_prompt)
    for name, size in sizes.items():
        table.add_row(f"memory: {name}", f"{size / 2**20:,.1f} MiB", "per device")
    total, how = sum(sizes.values()), f"without activations; {parameters:,} parameters"
    if longest_prompt is not None:
        how += f"; the longest prompt of the data has {longest_prompt:,} tokens"
    table.add_row("memory: sum", f"{total / 2**20:,.1f} MiB", how)
    hardware, found = settings.hardware, psutil.virtual_memory().total
    needed = total * hardware.processes
    if hardware.device != "cpu" or needed <= found:
        return None
    return (
        f"hardware.micro_batch = {settings.batch.micro_batch}: the run may need {needed / 2**30:,.1f} GiB, and this"
        f" machine has {found / 2**30:,.1f} GiB; set a smaller hardware.micro_batch or"
        " hardware.generation_batch, or train.max_completion_tokens"
    )


def _shape(settings: ModelSettings) -> Shape:
    """The shape that the model's configuration gives; `loading.parameters` has read it by now, so it is there."""
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
