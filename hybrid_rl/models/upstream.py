"""Every private name of other libraries that this package uses, patches or overrides, and what is relied on.

A private name may change in any release. `tests/models/test_upstream.py` compares each entry with the installed
library, and walks the package for private names that have no entry, so that an upgrade fails there and not in a run.
The functions are the only places where the names that they wrap are used; an override has to stand in its class.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from accelerate.state import AcceleratorState


@dataclass(frozen=True)
class PrivateName:
    """One private name, and what would break here if it changed."""

    owner: str
    """The dotted path of the class that defines it."""
    name: str
    parameters: tuple[str, ...] | None = None
    """The first parameters of a method, in order, `self` included; any others must have defaults. None: an attribute
    that the owner sets."""
    relied_on: str = ""


_GRPO = "trl.trainer.grpo_trainer.GRPOTrainer"
_TRAINER = "transformers.trainer.Trainer"

OVERRIDDEN = (
    PrivateName(
        _GRPO, "_prepare_inputs", ("self", "generation_batch"), "fills the buffer of micro-batches"
    ),
    PrivateName(
        _GRPO,
        "_generate_and_score_completions",
        ("self", "inputs"),
        "returns the batch by names: masks, advantages, num_items_in_batch",
    ),
    PrivateName(
        _GRPO,
        "_calculate_rewards",
        ("self", "inputs", "prompts", "completions", "completion_ids_list"),
        "returns the rewards of all ranks, one row per completion",
    ),
    PrivateName(_GRPO, "_compute_loss", ("self", "model", "inputs"), "returns one scalar"),
    PrivateName(
        _GRPO,
        "_get_per_token_logps_and_entropies",
        (
            *("self", "model", "input_ids", "attention_mask", "logits_to_keep", "batch_size"),
            *("compute_entropy", "compute_aux_loss"),
        ),
        "returns log-probabilities, entropies and a router loss, in this order",
    ),
    PrivateName(
        _GRPO, "_save_checkpoint", ("self", "model", "trial"), "writes output_dir/checkpoint-<step>"
    ),
    PrivateName(
        _TRAINER,
        "_get_grad_norm",
        ("self", "model", "grad_norm"),
        "is called once per optimizer step, after clipping and before the step",
    ),
    PrivateName(
        _TRAINER,
        "_load_optimizer_and_scheduler",
        ("self", "checkpoint"),
        "is called once the optimizer exists; checkpoint is None where nothing is resumed",
    ),
)
"""Methods of TRL and transformers that a trainer of ours extends; each calls the original."""

USED = (
    PrivateName(_GRPO, "_buffered_inputs", None, "the micro-batches of the step; None: none"),
    PrivateName(_GRPO, "_step", None, "counts micro-steps"),
    PrivateName(_GRPO, "_logs", None, "holds the advantages of all ranks, in rank order"),
    PrivateName(_GRPO, "_entropy_bonus_enabled", None, "the loss has an entropy bonus"),
    PrivateName(_GRPO, "_tokenize_prompts", ("self", "prompts"), "the benchmark takes its time"),
    PrivateName(
        _GRPO,
        "_generate_single_turn",
        ("self", "prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images"),
        "returns the completions first; the benchmark takes its time",
    ),
    PrivateName(_TRAINER, "_clip_grad_norm", ("self", "model"), "the benchmark takes its time"),
    PrivateName(
        "transformers.generation.utils.GenerationMixin",
        "_supports_logits_to_keep",
        ("self",),
        "the forward pass takes logits_to_keep",
    ),
    PrivateName(
        "transformers.configuration_utils.PreTrainedConfig",
        "_attn_implementation",
        None,
        "names the attention that the model runs",
    ),
    PrivateName(
        "accelerate.accelerator.Accelerator",
        "_original_forward",
        None,
        "is set on a model whose forward pass has been wrapped in autocast",
    ),
    PrivateName(
        "accelerate.state.AcceleratorState", "_reset_state", ("reset_partial_state",), "forgets"
    ),
    PrivateName(
        "torch.nn.modules.module.Module",
        "_forward_pre_hooks",
        None,
        "a dictionary from the id of a hook's handle to the hook",
    ),
    PrivateName(
        "wandb_workspaces.workspaces.interface.Workspace",
        "_to_model",
        ("self",),
        "returns the pydantic model of a workspace; reporting/dashboard.py shows it",
    ),
)
"""Names that are read, called or patched."""


def keeps_last_logits(model: Any) -> bool:
    """Whether the forward pass takes `logits_to_keep`."""
    return bool(model._supports_logits_to_keep())


def attention_of(model: Any) -> str:
    """The name of the attention that the model runs, such as sdpa."""
    return str(model.config._attn_implementation)


def is_prepared(model: Any) -> bool:
    """Whether accelerate has wrapped the forward pass for training."""
    return hasattr(model, "_original_forward")


def forget_engine() -> None:
    """Let the next trainer of this process bring its own DeepSpeed configuration; accelerate keeps the first."""
    AcceleratorState._reset_state()


@contextmanager
def without_forward_pre_hook(module: Any, handle_id: int) -> Iterator[None]:
    """Takes one hook off a module while the context lasts."""
    hooks = module._forward_pre_hooks
    held = hooks.pop(handle_id)
    try:
        yield
    finally:
        hooks[handle_id] = held
